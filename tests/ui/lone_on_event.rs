use nestrs::prelude::*;

struct Math;

impl Math {
    #[on_event("math.added")]
    fn add(&self) {}
}

fn main() {}
