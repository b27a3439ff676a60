use nestrs::prelude::*;

#[contract]
trait Orders<T> {
    #[message_pattern("orders.count")]
    async fn count(&self) -> u64;
}

fn main() {}
