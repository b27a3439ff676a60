use nestrs::prelude::*;

#[derive(serde::Deserialize)]
struct Filter;

#[contract]
trait Orders {
    #[message_pattern("orders.count")]
    async fn count(&self, filter: Filter) -> u64;
}

fn main() {}
