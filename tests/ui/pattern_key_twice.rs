use nestrs::prelude::*;

#[injectable]
struct Math;

#[micro_routes]
impl Math {
    #[message_pattern({ cmd: "add", v: 1, cmd: "sum" })]
    async fn add(&self, _: u64) {}
}

fn main() {}
