//! The signatures that the document gives without a program: each is taken as the very type it is written as.

use std::sync::Arc;

use nestrs::microservices::{ClientConfig, ClientsService, TcpMicroserviceOptions, TcpTransportOptions, Transport};
use nestrs::prelude::*;

#[test]
fn what_is_documented_by_its_signature_has_that_signature() {
    let _: fn(&[ClientConfig]) -> DynamicModule = ClientsModule::register;
    let _: fn(&'static str, TcpTransportOptions) -> ClientConfig = ClientConfig::tcp;
    let ClientConfig { name, transport } = ClientConfig::tcp("billing", TcpTransportOptions::default());
    let (_, _): (&'static str, Arc<dyn Transport>) = (name, transport);
    let _: fn(&ClientsService, &str) -> Option<ClientProxy> = ClientsService::get;
    let _: fn(&ClientsService, &str) -> ClientProxy = ClientsService::expect;
    let _ = TcpMicroserviceOptions::default();

    let _: fn(&'static str) -> TransportError = TransportError::new;
    let _: fn(String) -> TransportError = TransportError::new;
    let _: fn(TransportError, serde_json::Value) -> TransportError = TransportError::with_details;
    let error = TransportError::new("boom").with_details(serde_json::json!({ "code": 42 }));
    let (message, details): (String, Option<serde_json::Value>) = (error.message, error.details);
    assert_eq!((message.as_str(), details), ("boom", Some(serde_json::json!({ "code": 42 }))));
}

/// Its two type parameters, in their order; and futures that may move between threads.
#[test]
fn a_client_sends_and_emits_as_documented() {
    fn moves<T: Send>(future: T) -> T {
        future
    }
    async fn calls(client: &ClientProxy, pattern: &str, payload: &[u32; 2]) -> Result<u32, TransportError> {
        moves(client.emit::<[u32; 2]>(pattern, payload)).await?;
        moves(client.send::<[u32; 2], u32>(pattern, payload)).await
    }
    let _ = calls;
}
