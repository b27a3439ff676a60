use nestrs::prelude::*;

#[injectable]
struct Math;

#[micro_routes]
impl Math {
    #[message_pattern({ a: { b: { c: { d: { e: { f: { g: 1 } } } } } } })]
    async fn add(&self, _: u64) {}
}

fn main() {}
