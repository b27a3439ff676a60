use std::sync::Arc;

use nestrs::prelude::*;

#[injectable]
struct Orders;

#[micro_routes]
impl Orders {
    #[message_pattern("orders.find")]
    async fn find(&self, #[inject] #[pipe(ParseIntPipe)] _workers: Arc<u32>, #[pipe] id: u32) -> u32 {
        id
    }
}

fn main() {}
