//! "Cross-cutting on message handlers" and "MicroCanActivate trait".

use nestrs::prelude::*;

#[derive(Default)]
struct TokenGuard;

#[async_trait]
impl MicroCanActivate for TokenGuard {
    async fn can_activate_micro(&self, pattern: &str, payload: &serde_json::Value) -> Result<(), TransportError> {
        assert_eq!(pattern, "secure.action");
        match payload["token"].as_str() {
            Some("open sesame") => Ok(()),
            _ => Err(TransportError::new("unauthorized").with_details(serde_json::json!({ "why": "token" }))),
        }
    }
}

#[injectable]
struct SecureService;

#[micro_routes]
impl SecureService {
    #[message_pattern("secure.action")]
    #[use_micro_guards(TokenGuard)]
    async fn action(&self, payload: serde_json::Value) -> Result<serde_json::Value, TransportError> {
        Ok(serde_json::json!({ "ok": true }))
    }
}

#[module(providers = [SecureService], microservices = [SecureService])]
struct AppModule;

#[tokio::test]
async fn the_guard_decides() {
    let options = nestrs::microservices::TcpMicroserviceOptions::bind("127.0.0.1:0");
    let app = NestFactory::create_microservice::<AppModule>(options).start().await.unwrap();
    let transport = nestrs::microservices::TcpTransportOptions::to(app.address("tcp").unwrap());
    let client = ClientProxy::new(nestrs::microservices::ClientConfig::tcp("secure", transport).transport);
    let token = serde_json::json!({ "token": "open sesame" });
    let answer: serde_json::Value = client.send("secure.action", &token).await.unwrap();
    assert_eq!(answer, serde_json::json!({ "ok": true }));
    let refused = client.send::<_, serde_json::Value>("secure.action", &serde_json::json!({})).await.unwrap_err();
    assert_eq!(refused.message, "unauthorized");
    assert_eq!(refused.details.unwrap()["details"]["why"], "token");
    app.close().await;
}
