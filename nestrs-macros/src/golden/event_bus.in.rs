#[event_routes]
#[use_micro_interceptors(Audit)]
impl AuditService {
    #[on_event("user.created")]
    async fn log_user_created(&self, payload: serde_json::Value) {}

    #[on_event(["user.deleted", "user.banned"])]
    async fn log_user_gone(&self, user: User, cx: &ExecutionContext) -> Result<(), AuditError> {
        Ok(())
    }
}

#[event("order.created")]
#[derive(Clone, Serialize, Deserialize)]
pub struct OrderCreated {
    id: u64,
}

#[event_routes]
impl Orders {
    #[on_event]
    async fn created(&self, event: OrderCreated) {}

    #[on_event]
    async fn shared(&self, event: Arc<crate::OrderCreated>) {}
}
