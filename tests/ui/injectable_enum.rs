use nestrs::prelude::*;

#[injectable]
enum Transport {
    Tcp,
    Nats,
}

#[module(providers = [Transport])]
struct AppModule;

fn main() {}
