use nestrs::prelude::*;

#[injectable]
struct Math;

#[micro_routes]
impl Math {
    #[message_pattern(true)]
    async fn add(&self, _: u64) {}
}

fn main() {}
