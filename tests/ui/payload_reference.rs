use nestrs::prelude::*;

#[injectable]
struct Math;

#[micro_routes]
impl Math {
    #[message_pattern("math.add")]
    async fn add(&self, payload: &Vec<u64>) -> usize {
        payload.len()
    }
}

fn main() {}
