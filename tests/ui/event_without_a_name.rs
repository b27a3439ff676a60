use nestrs::prelude::*;

#[injectable]
struct Audit;

#[event_routes]
impl Audit {
    #[on_event]
    async fn no_argument(&self) {}

    #[on_event]
    async fn only_context(&self, _cx: &ExecutionContext) {}

    #[on_event]
    async fn anything(&self, _payload: Payload) {}

    #[on_event()]
    async fn empty(&self, _payload: serde_json::Value) {}
}

fn main() {}
