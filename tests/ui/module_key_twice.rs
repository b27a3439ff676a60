use nestrs::prelude::*;

#[injectable]
struct Orders;

#[module(providers = [Orders], exports = [Orders], providers = [])]
struct AppModule;

fn main() {}
