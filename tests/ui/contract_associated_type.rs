use nestrs::prelude::*;

#[contract]
trait Orders {
    type Filter;

    #[message_pattern("orders.count")]
    async fn count(&self) -> u64;
}

fn main() {}
