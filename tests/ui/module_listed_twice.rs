use nestrs::prelude::*;

#[injectable]
struct Orders;

#[module(providers = [Orders, Orders])]
struct AppModule;

fn main() {}
