#[micro_routes(crate = nest_framework)]
#[cfg(feature = "orders")]
impl Orders {
    #[message_pattern("a")]
    async fn payload_then_context(&self, order: Order, cx: &ExecutionContext, user: Option<User>) -> std::io::Result<Self> {
        0
    }

    #[message_pattern("b")]
    fn context_first(&self, cx: &ExecutionContext, meta: &nestrs::Metadata, Order { id, .. }: Order) -> u64 {
        id
    }

    #[message_pattern("c")]
    async fn marked(&self, #[ctx] user: User, #[payload] orders: Vec<Self>, extra: Extra<Self>) {}

    #[message_pattern("d")]
    async fn raw(&self, payload: Payload) -> Result<Payload, Self> {
        Ok(payload)
    }

    #[cfg(unix)]
    #[message_pattern("e")]
    #[allow(clippy::unused_self)]
    pub(crate) async fn r#where(&self) -> Result<(), Error> {
        Ok(())
    }
}
