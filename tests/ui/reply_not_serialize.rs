use nestrs::prelude::*;

struct Receipt;

#[injectable]
struct Orders;

#[micro_routes]
impl Orders {
    #[message_pattern("orders.place")]
    async fn place(&self) -> Result<Receipt, TransportError> {
        Ok(Receipt)
    }
}

fn main() {}
