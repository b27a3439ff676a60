use nestrs::prelude::*;

#[contract]
trait Orders {
    #[event_pattern("orders.paid")]
    async fn paid(&self, id: u64) -> bool;
}

fn main() {}
