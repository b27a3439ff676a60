//! What stands in for a remote service.

use super::*;

/// What a test of a caller stands in for the real service: held to the same types, by the same contract.
#[injectable]
struct FakeHealth;

#[micro_routes(contract = api::Health)]
impl FakeHealth {
    fn health(&self) -> bool {
        false
    }

    fn proxy(&self) -> u8 {
        0
    }
}

#[module(providers = [FakeHealth], microservices = [FakeHealth])]
struct FakeModule;

#[tokio::test]
async fn a_fake_is_a_service_in_memory() {
    let (server, transport) = memory_pair();
    let fake = serve_with::<FakeModule>(server).await;
    let health = HealthClient::new(ClientProxy::new(Arc::new(TcpTransport::new(transport))));
    assert!(!health.health().await.unwrap());
    fake.close().await;
}

/// A transport of a test's own, for one answer.
struct Answers(Value);

#[async_trait]
impl Transport for Answers {
    async fn send_json(&self, pattern: &str, payload: Value) -> Result<Value, TransportError> {
        assert_eq!((pattern, payload), ("orders.count", Value::Null));
        Ok(self.0.clone())
    }
    async fn emit_json(&self, _pattern: &str, _payload: Value) -> Result<(), TransportError> {
        Ok(())
    }
}

#[tokio::test]
async fn a_client_takes_any_transport_and_holds_the_answer_to_its_type() {
    let answering = |answer| OrdersClient::from(ClientProxy::new(Arc::new(Answers(answer))));
    assert_eq!(answering(json!(12)).count().await.unwrap(), 12);
    let misfit = answering(json!("twelve")).count().await.unwrap_err();
    assert_eq!(misfit.kind(), ErrorKind::InvalidReply);
}
