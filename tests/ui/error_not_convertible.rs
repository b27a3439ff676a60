use nestrs::prelude::*;

struct OutOfStock;

#[injectable]
struct Orders;

#[micro_routes]
impl Orders {
    #[message_pattern("orders.place")]
    async fn place(&self) -> Result<u64, OutOfStock> {
        Err(OutOfStock)
    }
}

fn main() {}
