//! How an application ends: by hand, by signals, in parts; and what it leaves behind.

#![expect(clippy::print_stdout, reason = "a program started by a test tells it what happens")]

mod grace;
mod leaves_nothing;
mod parts;
mod signals;

#[path = "../support/mod.rs"]
mod support;

use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use nestrs::microservices::{
    Bound, Cancellation, Dispatcher, MicroserviceOptions, Shutdown, TcpMicroserviceOptions, TransportServer,
};
use nestrs::prelude::*;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, ChildStdout, Command};
use tokio::sync::Notify;

use support::clean::Clean;
use support::raw::{PATIENCE, Peer};
use support::{client_of, free_port};

#[injectable]
struct Service {
    hung: Notify,
    #[inject(default)]
    told: Arc<Notify>,
}

#[controller("/pages")]
#[micro_routes]
impl Service {
    #[message_pattern("echo")]
    async fn echo(&self, value: Value) -> Value {
        value
    }

    #[message_pattern("hang")]
    #[run_to_completion]
    async fn hang(&self) {
        self.hung.notify_one();
        std::future::pending().await
    }

    #[message_pattern("watch")]
    async fn watch(&self, #[ctx] cancellation: Cancellation) {
        let told = Arc::clone(&self.told);
        tokio::spawn(async move {
            cancellation.cancelled().await;
            told.notify_one();
        });
        self.hung.notify_one();
        std::future::pending().await
    }

    #[message_pattern("hang.together")]
    #[cancel_on_disconnect]
    async fn hang_together(&self) {
        self.hung.notify_one();
        std::future::pending().await
    }

    #[post("/body")]
    async fn body(&self, request: nestrs::axum::extract::Request) {
        self.hung.notify_one();
        let _ = nestrs::axum::body::to_bytes(request.into_body(), 1000).await;
    }

    #[get("/stream")]
    async fn stream(&self) -> nestrs::axum::body::Body {
        self.hung.notify_one();
        let first = futures_util::stream::iter([Ok::<_, std::convert::Infallible>("first")]);
        nestrs::axum::body::Body::from_stream(first.chain(futures_util::stream::pending()))
    }

    #[get("/hang")]
    async fn page(&self) {
        self.hung.notify_one();
        std::future::pending().await
    }
}

/// Says when its hooks run.
impl OnModuleDestroy for Service {
    async fn on_module_destroy(&self) -> HookResult {
        println!("destroyed");
        Ok(())
    }
}

impl OnApplicationShutdown for Service {
    async fn on_application_shutdown(&self, signal: Option<i32>) -> HookResult {
        println!("shut down by {signal:?}");
        Ok(())
    }
}

#[module(providers = [Service], microservices = [Service], controllers = [Service])]
struct AppModule;

fn hybrid(options: TcpMicroserviceOptions) -> NestMicroservice<AppModule> {
    NestFactory::create_microservice(options)
        .also_listen_http("127.0.0.1:0")
        .configure_http(|http| http.enable_health_check("/health"))
}
