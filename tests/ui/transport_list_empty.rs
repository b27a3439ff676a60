use nestrs::prelude::*;

#[injectable]
struct Orders;

#[micro_routes]
impl Orders {
    #[message_pattern("orders.get", transport = [])]
    async fn get(&self, _: u64) {}
}

fn main() {}
