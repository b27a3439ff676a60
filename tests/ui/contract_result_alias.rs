use nestrs::prelude::*;

type Counted = Result<u64, String>;

#[contract]
trait Orders {
    #[message_pattern("orders.count")]
    async fn count(&self) -> Counted;
}

fn main() {}
