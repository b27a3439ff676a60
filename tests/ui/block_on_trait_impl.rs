use nestrs::prelude::*;

trait Adds {
    async fn add(&self, payload: u64);
}

#[injectable]
struct Math;

#[micro_routes]
impl Adds for Math {
    #[message_pattern("math.add")]
    async fn add(&self, _: u64) {}
}

fn main() {}
