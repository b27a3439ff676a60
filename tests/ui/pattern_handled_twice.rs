use nestrs::prelude::*;

#[injectable]
struct Math;

#[micro_routes]
impl Math {
    #[message_pattern({ cmd: "sum", v: 1 })]
    async fn add(&self, _: u64) {}

    #[message_pattern(["math.sum", { v: 1, cmd: "sum" }])]
    async fn sum(&self, _: u64) {}
}

fn main() {}
