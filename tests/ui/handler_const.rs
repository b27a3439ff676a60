use nestrs::prelude::*;

#[injectable]
struct Math;

#[micro_routes]
impl Math {
    #[message_pattern("math.add")]
    const fn add(&self, payload: u64) -> u64 {
        payload
    }
}

fn main() {}
