use nestrs::prelude::*;

const HALF: &str = "order.cre*";

#[injectable]
struct Audit;

#[event_routes]
impl Audit {
    #[on_event(["user.created", HALF])]
    async fn half(&self) {}
}

fn main() {}
