use nestrs::prelude::*;

#[contract]
trait Orders {
    #[message_pattern("orders.count")]
    fn count(&self) -> u64;
}

fn main() {}
