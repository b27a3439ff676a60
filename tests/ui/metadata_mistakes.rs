use nestrs::prelude::*;

#[injectable]
struct Math;

#[micro_routes]
#[set_metadata]
impl Math {
    #[message_pattern("math.add")]
    #[set_metadata("roles")]
    async fn add(&self) {}

    #[message_pattern("math.sub")]
    #[set_metadata("roles",)]
    #[set_metadata(1, 2)]
    async fn sub(&self) {}

    #[set_metadata("roles", ["admin"])]
    async fn helper(&self) {}
}

fn main() {}
