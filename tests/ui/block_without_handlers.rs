use nestrs::prelude::*;

#[injectable]
struct Math;

#[micro_routes]
impl Math {
    fn helper(&self) {}
}

fn main() {}
