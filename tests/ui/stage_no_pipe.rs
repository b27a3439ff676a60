use nestrs::prelude::*;

#[derive(Default)]
struct Trim;

#[injectable]
struct Math;

#[micro_routes]
impl Math {
    #[message_pattern("math.add")]
    #[use_micro_pipes(Trim)]
    async fn add(&self, _: u64) {}
}

fn main() {}
