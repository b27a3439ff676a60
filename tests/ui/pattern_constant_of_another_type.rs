use nestrs::prelude::*;

const SUM: u64 = 1;

#[injectable]
struct Math;

#[micro_routes]
impl Math {
    #[message_pattern(SUM)]
    async fn add(&self, _: u64) {}
}

fn main() {}
