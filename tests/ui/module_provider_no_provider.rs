use nestrs::prelude::*;

#[module(providers = [8_u32 + 1])]
struct AppModule;

fn main() {}
