use nestrs::prelude::*;

#[derive(serde::Serialize)]
struct Count;

#[contract]
trait Orders {
    #[message_pattern("orders.count")]
    async fn count(&self) -> Result<Count, TransportError>;
}

fn main() {}
