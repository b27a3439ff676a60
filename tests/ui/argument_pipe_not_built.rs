use nestrs::prelude::*;

#[injectable]
struct Orders;

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
    async fn find(&self, #[pipe(Lowercase)] name: String) -> String {
        name
    }
}

fn main() {}
