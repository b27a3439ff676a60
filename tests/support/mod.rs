//! What several test files share.

#![allow(dead_code, unreachable_pub, reason = "each test file uses a part of this")]

pub mod actor;
#[cfg(feature = "tls")]
pub mod certificates;
pub mod clean;
pub mod connection;
pub mod contract;
pub mod fake;
pub mod http;
pub mod node;
pub mod place;
pub mod process;
pub mod program;
pub mod raw;

use nestrs::RunningApp;
use nestrs::microservices::{TcpMicroserviceOptions, TcpTransport, TcpTransportOptions};
use nestrs::prelude::*;
use std::sync::Arc;

/// Starts a module on a free port. Handlers that hang do not hold up its end.
pub async fn serve<M: nestrs::Module>() -> RunningApp {
    serve_with::<M>(free_port().grace_period(std::time::Duration::from_millis(100))).await
}

pub fn free_port() -> TcpMicroserviceOptions {
    TcpMicroserviceOptions::bind("127.0.0.1:0")
}

pub async fn serve_with<M: nestrs::Module>(options: TcpMicroserviceOptions) -> RunningApp {
    NestFactory::create_microservice::<M>(options).start().await.expect("the application starts")
}

/// A client of a started application.
pub fn client_of(app: &RunningApp) -> ClientProxy {
    client_to(app.address("tcp").expect("it listens on TCP"))
}

pub fn client_to(address: &str) -> ClientProxy {
    ClientProxy::new(Arc::new(TcpTransport::new(TcpTransportOptions::to(address))))
}
