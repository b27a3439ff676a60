use nestrs::prelude::*;

#[contract]
trait Orders {
    #[message_pattern("orders.count")]
    async fn count<T>(&self, filter: T) -> u64;
}

fn main() {}
