use nestrs::prelude::*;

#[contract]
struct Orders;

fn main() {}
