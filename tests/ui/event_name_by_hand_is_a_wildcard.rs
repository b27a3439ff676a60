use nestrs::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Clone, Serialize, Deserialize)]
struct AnyOrder;

impl BusEvent for AnyOrder {
    const NAME: &'static str = "order.*";
}

#[injectable]
struct Audit;

#[event_routes]
impl Audit {
    #[on_event]
    async fn any(&self, _event: AnyOrder) {}
}

fn main() {}
