use nestrs::prelude::*;

#[injectable]
struct Orders;

#[module(imports = [Orders])]
struct AppModule;

fn main() {}
