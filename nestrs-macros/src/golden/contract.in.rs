/// What is said of orders.
#[contract(client = "ORDERS")]
#[cfg(feature = "orders")]
pub trait Orders {
    /// Creates one.
    #[message_pattern(["orders.create", { cmd: "create" }])]
    async fn create(&self, order: CreateOrder) -> Result<Order, OrderError>;

    #[message_pattern(COUNT)]
    #[cfg(unix)]
    async fn count(&self) -> u64;

    #[message_pattern({ cmd: "watch" })]
    fn watch(&self, _: u64) -> impl Stream<Item = Result<Status, OrderError>> + Send;

    #[event_pattern("orders.paid")]
    #[deprecated]
    async fn r#where(&self, event: OrderPaid);
}

#[micro_routes(contract = api::Orders)]
#[use_micro_guards(TokenGuard)]
impl OrdersService {
    async fn create(&self, order: CreateOrder, cx: &ExecutionContext) -> Result<Order, OrderError> {
        self.store.create(order, cx).await
    }

    #[cfg(unix)]
    fn count(&self, #[ctx] tenant: Tenant) -> u64 {
        0
    }

    #[use_micro_pipes(CheckId)]
    fn watch(&self, id: u64) -> Result<BoxStream<'_, Result<Status, OrderError>>, OrderError> {
        self.store.watch(id)
    }

    async fn r#where(&self, event: OrderPaid) -> Result<(), Self> {}
}
