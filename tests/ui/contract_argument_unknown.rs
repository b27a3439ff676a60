use nestrs::prelude::*;

#[contract("ORDERS")]
trait Orders {
    #[message_pattern("orders.count")]
    async fn count(&self) -> u64;
}

fn main() {}
