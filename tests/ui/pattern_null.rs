use nestrs::prelude::*;

#[injectable]
struct Math;

#[micro_routes]
impl Math {
    #[event_pattern(null)]
    async fn add(&self, _: u64) {}
}

fn main() {}
