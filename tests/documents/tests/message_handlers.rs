//! "Message handlers".

use nestrs::prelude::*;

#[injectable]
struct MathService;

#[micro_routes]
impl MathService {
    #[message_pattern("math.add")]
    async fn add(&self, payload: serde_json::Value) -> Result<serde_json::Value, TransportError> {
        let a = payload["a"].as_f64().unwrap_or(0.0);
        let b = payload["b"].as_f64().unwrap_or(0.0);
        Ok(serde_json::json!({ "result": a + b }))
    }

    #[event_pattern("user.created")]
    async fn on_user_created(&self, payload: serde_json::Value) {
        tracing::info!("new user: {:?}", payload);
    }
}

#[module(providers = [MathService], microservices = [MathService])]
struct AppModule;

#[tokio::test]
async fn it_adds() {
    let options = nestrs::microservices::TcpMicroserviceOptions::bind("127.0.0.1:0");
    let app = NestFactory::create_microservice::<AppModule>(options).start().await.unwrap();
    let transport = nestrs::microservices::TcpTransportOptions::to(app.address("tcp").unwrap());
    let client = nestrs::microservices::ClientConfig::tcp("math", transport);
    let client = ClientProxy::new(client.transport);
    let sum: serde_json::Value = client.send("math.add", &serde_json::json!({ "a": 1, "b": 2.5 })).await.unwrap();
    assert_eq!(sum, serde_json::json!({ "result": 3.5 }));
    client.emit("user.created", &serde_json::json!({ "id": 7 })).await.unwrap();
    app.close().await;
}
