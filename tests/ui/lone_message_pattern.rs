use nestrs::prelude::*;

struct Math;

impl Math {
    #[message_pattern("math.add")]
    fn add(&self) {}
}

fn main() {}
