use nestrs::prelude::*;

#[micro_routes]
struct Math;

fn main() {}
