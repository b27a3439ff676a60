use nestrs::prelude::*;

#[module]
struct AppModule<T>(T);

fn main() {}
