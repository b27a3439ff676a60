use nestrs::prelude::*;

trait Repository: Send + Sync {}

#[injectable]
struct PgRepository;

#[module(providers = [PgRepository as dyn Repository])]
struct AppModule;

fn main() {}
