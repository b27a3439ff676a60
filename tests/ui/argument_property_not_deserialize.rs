use nestrs::prelude::*;

#[injectable]
struct Orders;

struct Id;

#[micro_routes]
impl Orders {
    #[message_pattern("orders.find")]
    async fn find(&self, #[payload("id")] _id: Id) {}
}

fn main() {}
