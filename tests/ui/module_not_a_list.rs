use nestrs::prelude::*;

#[injectable]
struct Orders;

#[module(providers = Orders)]
struct AppModule;

fn main() {}
