use nestrs::prelude::*;

#[module(imports = [String::from("orders")])]
struct AppModule;

fn main() {}
