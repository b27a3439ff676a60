use nestrs::prelude::*;

#[injectable]
struct Orders;

#[micro_routes]
impl Orders {
    #[message_pattern("orders.get", transport = [tcp, nats])]
    async fn get(&self, _: u64) {}

    #[message_pattern("orders.get", transport = redis)]
    async fn get_cached(&self, _: u64) {}

    #[message_pattern("orders.get", transport = [redis, mqtt])]
    async fn get_slowly(&self, _: u64) {}
}

fn main() {}
