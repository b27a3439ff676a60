use nestrs::prelude::*;

#[contract]
trait Orders {
    #[message_pattern("orders.count")]
    async fn count(&self, tenant: &str) -> u64;
}

fn main() {}
