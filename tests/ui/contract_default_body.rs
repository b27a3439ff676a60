use nestrs::prelude::*;

#[contract]
trait Orders {
    #[message_pattern("orders.count")]
    async fn count(&self) -> u64 {
        0
    }
}

fn main() {}
