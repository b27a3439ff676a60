use futures_util::stream::BoxStream;
use nestrs::prelude::*;

#[contract]
trait Orders {
    #[message_pattern("orders.count")]
    fn count(&self) -> BoxStream<'_, u64>;
}

fn main() {}
