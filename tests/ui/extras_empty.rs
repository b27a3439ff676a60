use nestrs::prelude::*;

#[injectable]
struct Orders;

#[micro_routes]
impl Orders {
    #[message_pattern("orders.get", extras = {})]
    async fn get(&self, _: u64) {}
}

fn main() {}
