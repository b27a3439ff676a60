use nestrs::prelude::*;

#[module(provider = [])]
struct AppModule;

fn main() {}
