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

async fn call(orders: &OrdersClient) -> Result<(), TransportError> {
    let _: u64 = orders.create(7).await?;
    let _: String = orders.count().await?;
    orders.payed(7).await
}

fn main() {}
