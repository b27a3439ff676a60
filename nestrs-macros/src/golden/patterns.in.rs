#[micro_routes]
impl Orders {
    #[message_pattern("orders.get", transport = tcp)]
    async fn get(&self, id: u64) -> u64 {
        id
    }

    #[event_pattern(
        ["orders.*", "log.>"],
        transport = [nats, "carrier-pigeon"],
        extras = { queue: Self::QUEUE, qos: 1, headers: { trace: true } },
    )]
    async fn log(&self) {}
}
