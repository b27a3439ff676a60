use nestrs::prelude::*;

#[injectable]
struct Orders;

#[micro_routes]
impl Orders {
    #[message_pattern("orders.find")]
    async fn find(&self, #[payload(id)] id: u32, #[header] _version: String) -> u32 {
        id
    }
}

fn main() {}
