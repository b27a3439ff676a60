use nestrs::prelude::*;

#[injectable]
struct Math;

#[micro_routes]
impl Math {
    #[message_pattern("math.add")]
    async fn add(&self, #[payload] a: u64, #[payload] b: u64) -> u64 {
        a + b
    }
}

fn main() {}
