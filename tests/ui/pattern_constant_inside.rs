use nestrs::prelude::*;

const SUM: &str = "sum";

#[injectable]
struct Math;

#[micro_routes]
impl Math {
    #[message_pattern({ cmd: SUM })]
    async fn add(&self, _: u64) {}
}

fn main() {}
