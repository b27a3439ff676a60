use nestrs::prelude::*;

struct Orders;

#[module(providers = [Orders])]
struct AppModule;

fn main() {}
