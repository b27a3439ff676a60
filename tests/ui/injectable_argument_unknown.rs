use nestrs::prelude::*;

#[injectable(scope = Request)]
struct Orders;

fn main() {}
