use nestrs::prelude::*;
use serde::{Deserialize, Serialize};

#[event("order.created")]
#[derive(Clone, Serialize, Deserialize)]
struct OrderCreated;

#[injectable]
struct Audit;

#[event_routes]
impl Audit {
    #[on_event(OrderCreated)]
    async fn created(&self, _event: OrderCreated) {}
}

fn main() {}
