use nestrs::prelude::*;

struct Receipt;

#[injectable]
struct Orders;

#[micro_routes]
impl Orders {
    #[message_pattern("orders.all")]
    fn all(&self) -> impl futures_util::Stream<Item = Receipt> {
        futures_util::stream::iter([Receipt])
    }
}

fn main() {}
