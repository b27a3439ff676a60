use nestrs::prelude::*;

trait Repository: Send + Sync {}

#[module(providers = [dyn Repository])]
struct AppModule;

fn main() {}
