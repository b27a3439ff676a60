use nestrs::prelude::*;

#[injectable]
struct Orders {
    #[inject(optional)]
    count: std::sync::Arc<u64>,
}

#[module(providers = [Orders])]
struct AppModule;

fn main() {}
