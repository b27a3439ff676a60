use nestrs::prelude::*;

#[injectable]
struct Orders;

const QOS: u8 = 1;

#[micro_routes]
impl Orders {
    #[message_pattern("orders.get", extras = { qos: QOS })]
    async fn get(&self, _: u64) {}
}

fn main() {}
