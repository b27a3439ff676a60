use nestrs::prelude::*;

#[module(providers = ["ORDERS"])]
struct AppModule;

fn main() {}
