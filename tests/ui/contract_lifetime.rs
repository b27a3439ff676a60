use nestrs::prelude::*;

#[contract]
trait Orders {
    #[message_pattern("orders.count")]
    async fn count<'a>(&'a self) -> u64;
}

fn main() {}
