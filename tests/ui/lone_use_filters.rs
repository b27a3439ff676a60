use nestrs::prelude::*;

struct Math;

impl Math {
    #[use_filters(Teapot)]
    async fn add(&self) {}

    #[set_metadata("a", 1)]
    async fn sub(&self) {}
}

fn main() {}
