use nestrs::prelude::*;

#[injectable]
struct Math;

#[micro_routes]
impl Math {
    #[message_pattern("math.add")]
    #[event_pattern("math.added")]
    async fn add(&self, _: u64) {}
}

fn main() {}
