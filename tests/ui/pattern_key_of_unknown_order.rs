use nestrs::prelude::*;

#[injectable]
struct Math;

#[micro_routes]
impl Math {
    #[message_pattern({ cmd: "add", größe: 1 })]
    async fn add(&self, _: u64) {}
}

fn main() {}
