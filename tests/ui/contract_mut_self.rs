use nestrs::prelude::*;

#[contract]
trait Orders {
    #[message_pattern("orders.count")]
    async fn count(&mut self) -> u64;
}

fn main() {}
