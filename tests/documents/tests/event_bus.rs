//! "EventBus".

use nestrs::prelude::*;

// Publishing
#[injectable]
struct PublisherService {
    bus: std::sync::Arc<EventBus>,
}

impl PublisherService {
    pub async fn emit_user_created(&self, id: &str) {
        self.bus.publish("user.created", serde_json::json!({ "id": id })).await;
    }
}

// Subscribing
#[injectable]
struct AuditService;

#[event_routes]
impl AuditService {
    #[on_event("user.created")]
    async fn log_user_created(&self, payload: serde_json::Value) {
        tracing::info!("audit: user created {:?}", payload);
        SEEN.lock().unwrap().push(payload);
    }
}

static SEEN: std::sync::Mutex<Vec<serde_json::Value>> = std::sync::Mutex::new(Vec::new());

#[module(providers = [PublisherService, AuditService])]
struct AppModule;

#[tokio::test]
async fn what_is_published_is_audited() {
    let app = NestFactory::create::<AppModule>().start("127.0.0.1:0").await.unwrap();
    app.get::<PublisherService>().unwrap().emit_user_created("7").await;
    assert_eq!(*SEEN.lock().unwrap(), [serde_json::json!({ "id": "7" })]);
    app.close().await;
}
