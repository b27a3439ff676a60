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
