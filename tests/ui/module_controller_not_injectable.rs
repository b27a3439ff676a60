use nestrs::prelude::*;

struct Orders;

#[module(controllers = [Orders])]
struct AppModule;

fn main() {}
