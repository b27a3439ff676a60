use nestrs::prelude::*;

struct Math;

impl Math {
    #[get("/sum")]
    fn add(&self) {}
}

fn main() {}
