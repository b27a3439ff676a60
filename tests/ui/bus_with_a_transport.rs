use nestrs::prelude::*;

#[injectable]
struct Orders;

#[event_routes]
impl Orders {
    #[on_event("order.created", transport = tcp)]
    async fn created(&self, _: u64) {}
}

fn main() {}
