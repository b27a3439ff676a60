use nestrs::prelude::*;

#[contract]
trait Orders {
    #[message_pattern("orders.create")]
    async fn create(&self, item: String) -> Result<u64, TransportError>;

    #[message_pattern("orders.count")]
    async fn count(&self) -> u64;

    #[event_pattern("orders.paid")]
    async fn paid(&self, id: u64);
}

#[injectable]
struct Service;

#[micro_routes(contract = Orders)]
impl Service {
    async fn create(&self, _: String) -> Result<u64, TransportError> {
        Ok(1)
    }

    fn count(&self) -> u64 {
        0
    }

    async fn paid(&self, _: u64) {}

    async fn cancel(&self, _: u64) {}
}

fn main() {}
