use nestrs::prelude::*;

struct Math;

impl Math {
    #[event_pattern("math.added")]
    fn add(&self) {}
}

fn main() {}
