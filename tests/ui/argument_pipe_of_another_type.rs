use nestrs::prelude::*;

#[injectable]
struct Orders;

#[derive(Default)]
struct Lowercase;

impl ArgumentPipe<String> for Lowercase {
    type Input = String;

    async fn transform(&self, _cx: &ExecutionContext, value: String) -> Result<String, TransportError> {
        Ok(value.to_lowercase())
    }
}

#[micro_routes]
impl Orders {
    #[message_pattern("orders.find")]
    async fn find(&self, #[payload("id")] #[pipe(Lowercase)] id: u32) -> u32 {
        id
    }
}

fn main() {}
