//! NestJS's page "Testing": an application whose parts are replaced, called without a socket.
//!
//! ```sh
//! cargo test --example testing       # the tests at the end of this file
//! cargo run --example testing        # the application itself
//! curl http://127.0.0.1:3000/shop/tea
//! ```
//!
//! Where nothing is replaced, everything is as in production: modules, injection, stages, hooks, the bytes of packets. The
//! feature `test-util` brings it; in `Cargo.toml` it belongs to `[dev-dependencies]`. `PORT` changes the port.

use std::sync::Arc;

use nestrs::NestMicroservice;
use nestrs::axum::extract::Path;
use nestrs::microservices::{ClientConfig, TcpMicroserviceOptions, TcpTransportOptions};
use nestrs::prelude::*;
use serde_json::{Value, json};

/// What the shop asks for its stock.
trait Stock: Send + Sync {
    fn left(&self, item: &str) -> u32;
}

/// In production, a database.
#[injectable]
struct Warehouse;

impl Stock for Warehouse {
    fn left(&self, item: &str) -> u32 {
        if item == "tea" { 3 } else { 0 }
    }
}

#[injectable]
struct StaffOnly;

impl CanActivate for StaffOnly {
    async fn can_activate(&self, cx: &ExecutionContext) -> Result<(), TransportError> {
        if cx.metadata().get("x-role") == Some("staff") { Ok(()) } else { Err(forbidden()) }
    }
}

#[injectable]
struct Shop {
    stock: Arc<dyn Stock>,
    #[inject("BILLING")]
    billing: Arc<ClientProxy>,
}

#[controller("/shop")]
impl Shop {
    #[get("/{item}")]
    async fn show(&self, Path(item): Path<String>) -> Value {
        json!({ "left": self.stock.left(&item) })
    }
}

#[micro_routes]
impl Shop {
    #[message_pattern("shop.buy")]
    #[use_guards(StaffOnly)]
    async fn buy(&self, item: String) -> Result<u32, TransportError> {
        if self.stock.left(&item) == 0 {
            return Err(TransportError::new(format!("no {item} left")).with_kind(ErrorKind::NotFound));
        }
        let receipt: u32 = self.billing.send("billing.charge", &json!({ "item": item })).await?;
        self.billing.emit("billing.booked", &receipt).await?;
        Ok(receipt)
    }
}

#[module(
    imports = [ClientsModule::register(&[ClientConfig::tcp("BILLING", TcpTransportOptions::to("127.0.0.1:3001"))])],
    providers = [Warehouse as dyn Stock],
    controllers = [Shop],
)]
struct AppModule;

/// Apart from `main`, so that tests have the application as it runs, its global stages included.
fn application() -> NestMicroservice<AppModule> {
    NestFactory::create_microservice::<AppModule>(TcpMicroserviceOptions::default().port(port()))
        .also_listen_http(port())
        .configure_http(|http| http.enable_health_check("/health"))
        .enable_shutdown_hooks()
}

fn port() -> u16 {
    std::env::var("PORT").ok().and_then(|port| port.parse().ok()).unwrap_or(3000)
}

#[tokio::main]
async fn main() -> Result<(), ListenError> {
    Logger::from_env().init()?;
    application().listen().await
}

#[cfg(test)]
mod tests {
    use nestrs::testing::{MockService, TestApp};

    use super::*;

    struct Shelf(u32);

    impl Stock for Shelf {
        fn left(&self, _item: &str) -> u32 {
            self.0
        }
    }

    struct Everyone;

    impl CanActivate for Everyone {
        async fn can_activate(&self, _cx: &ExecutionContext) -> Result<(), TransportError> {
            Ok(())
        }
    }

    /// A unit: a service and what it needs, without an application.
    #[tokio::test]
    async fn the_shop_shows_what_is_left() {
        let billing = ClientProxy::new(Arc::new(MockService::new()));
        let shop = Shop { stock: Arc::new(Shelf(7)), billing: Arc::new(billing) };
        assert_eq!(shop.show(Path("tea".into())).await, json!({ "left": 7 }));
    }

    /// `Test.createTestingModule({ imports: [AppModule] }).overrideProvider(Stock).useValue(..)`, and supertest.
    #[tokio::test]
    async fn what_is_left_comes_over_http() {
        let app =
            TestApp::of::<AppModule>().override_shared(Arc::new(Shelf(7)) as Arc<dyn Stock>).start().await.unwrap();
        let response = app.http().get("/shop/tea").send().await;
        assert_eq!((response.status().as_u16(), response.json::<Value>()), (200, json!({ "left": 7 })));
        app.close().await;
    }

    /// `overrideGuard(StaffOnly).useValue(..)`, and billing played by the test: no call leaves the process.
    #[tokio::test]
    async fn what_is_bought_is_billed_once() {
        let billing = MockService::new();
        billing.expect("billing.charge").with(json!({ "item": "tea" })).reply(7).once();
        billing.expect("billing.booked").with(7).once();

        let app = TestApp::of::<AppModule>()
            .override_guard::<StaffOnly>(Everyone)
            .mock_service("BILLING", &billing)
            .start()
            .await
            .unwrap();
        let receipt: u32 = app.client().send("shop.buy", "tea").await.unwrap();
        assert_eq!(receipt, 7);
        app.close().await;
        // Everything that was expected has come, and nothing else.
        billing.verify();
    }

    #[tokio::test]
    async fn what_is_sold_out_is_not_billed() {
        let billing = MockService::new();
        let app = TestApp::of::<AppModule>().mock_service("BILLING", &billing).start().await.unwrap();
        let staff = app.client().with_metadata("x-role", "staff");
        let error = staff.send::<_, u32>("shop.buy", "coffee").await.unwrap_err();
        assert_eq!(error.message, "no coffee left");
        assert!(billing.calls().is_empty());
        app.close().await;
    }

    /// The application as `main` runs it, but for its addresses.
    #[tokio::test]
    async fn only_staff_buys() {
        let app = TestApp::from_application(application()).start().await.unwrap();
        let error = app.client().send::<_, u32>("shop.buy", "tea").await.unwrap_err();
        assert_eq!(error.message, "Forbidden resource");
        assert_eq!(app.http().get("/health").send().await.status(), 200);
        assert_eq!(
            app.explain("shop.buy")[0].to_string(),
            "message shop.buy → Shop::buy: guard StaffOnly (method) → handler",
        );
        app.close().await;
    }
}
