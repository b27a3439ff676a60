use nestrs::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Clone, Serialize, Deserialize)]
struct OrderCreated;

#[injectable]
struct Audit;

#[event_routes]
impl Audit {
    #[on_event]
    async fn created(&self, _event: OrderCreated) {}

    #[on_event]
    async fn shared(&self, _event: std::sync::Arc<OrderCreated>) {}
}

fn main() {}
