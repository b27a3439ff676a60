use nestrs::prelude::*;

#[injectable]
struct Orders;

#[module(providers = [Orders], microservices = [Orders::new()])]
struct AppModule;

fn main() {}
