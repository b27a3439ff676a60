use nestrs::prelude::*;

struct Order;

#[injectable]
struct Orders;

#[micro_routes]
impl Orders {
    #[message_pattern("orders.place")]
    async fn place(&self, _: Order) {}
}

fn main() {}
