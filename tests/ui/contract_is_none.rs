use nestrs::prelude::*;

trait Orders {
    async fn place(&self) -> u64;
}

#[injectable]
struct Service;

#[micro_routes(contract = Orders)]
impl Service {
    async fn place(&self) -> u64 {
        0
    }
}

fn main() {}
