use nestrs::prelude::*;

#[module(global = "yes")]
struct AppModule;

fn main() {}
