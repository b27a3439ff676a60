//! "Transport trait", "ClientProxy", "ClientsModule", "ClientConfig" and "ClientsService".

use std::sync::{Arc, Mutex};

use nestrs::microservices::Transport;

/// What a transport of the document's two methods was asked to send.
#[derive(Default)]
struct Recorder(Mutex<Vec<String>>);

mod a_default_client {
    use nestrs::prelude::*;

    #[injectable]
    pub struct OrdersService {
        client: std::sync::Arc<ClientProxy>,
    }

    impl OrdersService {
        pub async fn notify_billing(&self, order_id: &str) -> Result<(), TransportError> {
            self.client
                .emit(
                    "billing.order_created",
                    &serde_json::json!({
                        "order_id": order_id
                    }),
                )
                .await
        }
    }
}

mod two_clients {
    use nestrs::microservices::{ClientConfig, TcpTransportOptions};
    use nestrs::prelude::*;

    #[module(imports = [
        ClientsModule::register(&[
            ClientConfig::tcp("billing", TcpTransportOptions::default()),
            ClientConfig::tcp("notifications", TcpTransportOptions::default()),
        ]),
    ])]
    pub struct AppModule;
}

mod a_named_client {
    use nestrs::prelude::*;

    #[injectable]
    pub struct MyService {
        clients: std::sync::Arc<ClientsService>,
    }

    impl MyService {
        pub async fn send_billing(&self) -> Result<(), TransportError> {
            let proxy = self.clients.expect("billing");
            proxy.emit("billing.event", &serde_json::json!({})).await
        }
    }
}

mod a_transport {
    use nestrs::prelude::*;

    #[async_trait]
    impl super::Transport for super::Recorder {
        // Request-reply: send a message and wait for a response
        async fn send_json(
            &self,
            pattern: &str,
            payload: serde_json::Value,
        ) -> Result<serde_json::Value, TransportError> {
            self.0.lock().unwrap().push(format!("send {pattern}"));
            Ok(payload)
        }

        // Fire-and-forget: emit an event with no response expected
        async fn emit_json(&self, pattern: &str, payload: serde_json::Value) -> Result<(), TransportError> {
            self.0.lock().unwrap().push(format!("emit {pattern} {payload}"));
            Ok(())
        }
    }
}

mod the_application {
    use nestrs::microservices::ClientConfig;
    use nestrs::prelude::*;

    thread_local! {
        pub static RECORDER: std::sync::Arc<super::Recorder> = std::sync::Arc::default();
    }

    pub fn transport() -> std::sync::Arc<dyn super::Transport> {
        RECORDER.with(|recorder| std::sync::Arc::clone(recorder) as _)
    }

    #[module(
        imports = [ClientsModule::register(&[ClientConfig { name: "billing", transport: transport() }])],
        providers = [super::a_default_client::OrdersService, super::a_named_client::MyService],
    )]
    pub struct AppModule;
}

#[tokio::test]
async fn a_transport_of_the_users_own_works_wherever_a_built_in_one_does() {
    use nestrs::prelude::*;

    let app = NestFactory::create::<the_application::AppModule>().start("127.0.0.1:0").await.unwrap();
    app.get::<a_default_client::OrdersService>().unwrap().notify_billing("o-1").await.unwrap();
    app.get::<a_named_client::MyService>().unwrap().send_billing().await.unwrap();
    let proxy: Arc<ClientProxy> = app.get_named("billing").unwrap();
    let echoed: Vec<u8> = proxy.send("billing.echo", &[1, 2]).await.unwrap();
    assert_eq!(echoed, [1, 2]);
    let recorder = the_application::RECORDER.with(Arc::clone);
    assert_eq!(
        *recorder.0.lock().unwrap(),
        [r#"emit billing.order_created {"order_id":"o-1"}"#, "emit billing.event {}", "send billing.echo"]
    );
    app.close().await;
}

#[tokio::test]
async fn with_two_clients_there_is_no_default_one() {
    use nestrs::prelude::*;

    let app = NestFactory::create::<two_clients::AppModule>().start("127.0.0.1:0").await.unwrap();
    let clients = app.get::<ClientsService>().unwrap();
    assert!(clients.get("billing").is_some() && clients.get("notifications").is_some() && clients.get("x").is_none());
    assert!(app.get::<ClientProxy>().is_none());
    app.close().await;
}

#[test]
#[should_panic(expected = "no client is registered as `shipping`; there are `billing`, `notifications`")]
fn expecting_an_unknown_client_names_the_known_ones() {
    use nestrs::prelude::*;

    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let app = NestFactory::create::<two_clients::AppModule>().start("127.0.0.1:0").await.unwrap();
        app.get::<ClientsService>().unwrap().expect("shipping");
    });
}
