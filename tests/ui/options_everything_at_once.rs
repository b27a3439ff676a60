use nestrs::prelude::*;

#[injectable]
struct Orders;

#[micro_routes]
impl Orders {
    #[message_pattern("", topic = 1, transport = tpc, extras = 5)]
    async fn get(&self, _: &str) {}
}

fn main() {}
