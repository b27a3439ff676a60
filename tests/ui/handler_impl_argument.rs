use nestrs::prelude::*;

#[injectable]
struct Math;

#[micro_routes]
impl Math {
    #[message_pattern("math.add")]
    async fn add(&self, payload: impl Into<u64>) -> u64 {
        payload.into()
    }
}

fn main() {}
