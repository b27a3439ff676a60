use nestrs::prelude::*;

#[injectable]
struct Math;

#[micro_routes]
impl Math {
    #[message_pattern("math.add")]
    async fn add(
        &self,
        #[payload]
        #[ctx]
        a: u64,
    ) -> u64 {
        a
    }
}

fn main() {}
