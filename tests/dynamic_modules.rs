//! Modules made at run time serve what they list, as others do.

mod support;

use nestrs::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use support::{client_of, free_port};

#[injectable]
struct Pages;

#[controller("/pages")]
impl Pages {
    #[get("/index")]
    async fn index(&self) -> &'static str {
        "index"
    }
}

#[injectable]
struct Numbers {
    #[inject("LIMIT")]
    limit: u32,
}

#[micro_routes]
impl Numbers {
    #[message_pattern("limit")]
    async fn limit(&self) -> u32 {
        self.limit
    }
}

struct NumbersModule;

impl NumbersModule {
    fn register(limit: u32) -> DynamicModule {
        DynamicModule::new::<Self>()
            .provide(Provider::value(limit).named("LIMIT"))
            .provide(Provider::class::<Numbers>())
            .microservice::<Numbers>()
            .controller::<Pages>()
    }
}

#[module(imports = [NumbersModule::register(7)])]
struct AppModule;

#[tokio::test]
async fn a_module_made_at_run_time_has_controllers_and_message_handlers() {
    let app = NestFactory::create::<AppModule>().connect_microservice(free_port()).start("127.0.0.1:0").await.unwrap();
    assert_eq!(client_of(&app).send::<_, u32>("limit", &()).await.unwrap(), 7);

    let mut stream = tokio::net::TcpStream::connect(app.address("http").unwrap()).await.unwrap();
    stream.write_all(b"GET /pages/index HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).await.unwrap();
    assert!(response.starts_with("HTTP/1.1 200") && response.ends_with("index"), "{response}");
    app.close().await;
}
