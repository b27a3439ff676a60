use nestrs::prelude::*;

#[injectable]
struct Audit;

#[event_routes]
impl Audit {
    #[on_event("order.created")]
    async fn created(&self, _order: Payload, #[header("x-tenant")] _tenant: String) {}
}

fn main() {}
