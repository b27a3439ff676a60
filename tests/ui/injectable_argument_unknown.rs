use nestrs::prelude::*;

#[injectable(lifetime = request)]
struct Orders;

fn main() {}
