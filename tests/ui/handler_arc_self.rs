use nestrs::prelude::*;

#[injectable]
struct Math;

#[micro_routes]
impl Math {
    #[message_pattern("math.add")]
    async fn add(self: std::sync::Arc<Self>, payload: u64) -> u64 {
        payload
    }
}

fn main() {}
