use nestrs::prelude::*;

#[injectable]
struct Service;

#[micro_routes(contract = Orders)]
impl Service {
    async fn count(&self) -> u64 {
        0
    }
}

fn main() {}
