use nestrs::prelude::*;

#[contract]
trait Orders: Send {
    #[message_pattern("orders.count")]
    async fn count(&self) -> u64;
}

fn main() {}
