use nestrs::prelude::*;

#[derive(Default)]
struct Teapot;

#[injectable]
struct Math;

#[micro_routes]
impl Math {
    #[message_pattern("math.add")]
    #[use_filters(Teapot)]
    async fn add(&self) {}
}

fn main() {}
