use nestrs::prelude::*;

#[injectable]
struct Orders;

#[micro_routes]
impl Orders {
    #[message_pattern("orders.get", extras = { queue: "a", qos: 1, queue: "b" })]
    async fn get(&self, _: u64) {}
}

fn main() {}
