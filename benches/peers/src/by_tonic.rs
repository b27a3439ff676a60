//! tonic: gRPC over HTTP/2, without TLS.

use std::net::SocketAddr;

use tonic::transport::server::TcpIncoming;
use tonic::transport::{Channel, Endpoint, Server};
use tonic::{Request, Response, Status};

use crate::Failure;
use crate::closed_loop::Caller;

#[allow(missing_docs, clippy::all, reason = "generated")]
mod generated {
    include!(concat!(env!("OUT_DIR"), "/peers.Work.rs"));
}

use generated::work_client::WorkClient;
use generated::work_server::{Work, WorkServer};

/// As many streams on one connection as the loads have requests under way on one; the default of 200 is less.
const STREAMS_MAX: u32 = 1024;
/// Room for the longest text, so that no request waits for a window.
const WINDOW: u32 = 4 * 1024 * 1024;

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Numbers {
    #[prost(int64, repeated, tag = "1")]
    numbers: Vec<i64>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Number {
    #[prost(int64, tag = "1")]
    number: i64,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Text {
    #[prost(string, tag = "1")]
    text: String,
}

struct Handlers;

#[tonic::async_trait]
impl Work for Handlers {
    async fn sum(&self, request: Request<Numbers>) -> Result<Response<Number>, Status> {
        Ok(Response::new(Number { number: request.into_inner().numbers.iter().sum() }))
    }

    async fn echo(&self, request: Request<Text>) -> Result<Response<Text>, Status> {
        Ok(Response::new(request.into_inner()))
    }
}

pub(crate) async fn serve() -> Result<(), Failure> {
    let incoming = TcpIncoming::bind(SocketAddr::from(([127, 0, 0, 1], 0)))?.with_nodelay(Some(true));
    println!("listening {}", incoming.local_addr()?);
    let server = Server::builder().max_concurrent_streams(STREAMS_MAX);
    let server = server.initial_stream_window_size(WINDOW).initial_connection_window_size(WINDOW);
    Ok(server.clone().add_service(WorkServer::new(Handlers)).serve_with_incoming(incoming).await?)
}

pub(crate) async fn connect(address: SocketAddr) -> Result<WorkClient<Channel>, Failure> {
    let endpoint = Endpoint::from_shared(format!("http://{address}"))?.tcp_nodelay(true);
    let endpoint = endpoint.initial_stream_window_size(WINDOW).initial_connection_window_size(WINDOW);
    Ok(WorkClient::new(endpoint.connect().await?))
}

impl Caller for WorkClient<Channel> {
    async fn sum(&mut self, numbers: Vec<i64>) -> Result<i64, Failure> {
        Ok(Self::sum(self, Numbers { numbers }).await?.into_inner().number)
    }

    async fn echo(&mut self, text: String) -> Result<String, Failure> {
        Ok(Self::echo(self, Text { text }).await?.into_inner().text)
    }
}
