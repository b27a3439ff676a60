use nestrs::prelude::*;

#[injectable]
struct Audit;

#[event_routes]
impl Audit {
    #[on_event("order.cre*")]
    async fn half(&self) {}

    #[on_event("order.")]
    async fn empty_segment(&self) {}

    #[on_event("order.**.**")]
    async fn twice(&self) {}

    #[on_event(["order.*", "order.created"])]
    async fn covered(&self) {}

    #[on_event({ order: "*" })]
    async fn in_an_object(&self) {}
}

fn main() {}
