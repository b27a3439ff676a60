use nestrs::prelude::*;

#[derive(Default)]
struct Timing;

#[injectable]
struct Math;

#[micro_routes]
impl Math {
    #[message_pattern("math.add")]
    #[use_micro_interceptors(Timing)]
    async fn add(&self, _: u64) {}
}

fn main() {}
