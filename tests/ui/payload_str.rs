use nestrs::prelude::*;

#[injectable]
struct Math;

#[micro_routes]
impl Math {
    #[message_pattern("math.add")]
    async fn add(&self, payload: &str) -> usize {
        payload.len()
    }
}

fn main() {}
