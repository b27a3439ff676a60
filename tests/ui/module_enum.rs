use nestrs::prelude::*;

#[module]
enum AppModule {}

#[module(imports = [AppModule])]
struct Root;

fn main() {}
