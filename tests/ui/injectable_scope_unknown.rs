use nestrs::prelude::*;

#[injectable(scope = Request)]
struct Orders;

#[injectable(scope = request, scope = transient)]
struct Basket;

fn main() {}
