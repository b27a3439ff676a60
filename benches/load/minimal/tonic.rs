//! The same with tonic; `build.rs` is that of `benches/peers`.

use tonic::transport::Server;
use tonic::{Request, Response, Status};

mod by_tonic {
    #[derive(Clone, PartialEq, prost::Message)]
    pub(crate) struct Numbers {
        #[prost(int64, repeated, tag = "1")]
        pub(crate) numbers: Vec<i64>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(crate) struct Number {
        #[prost(int64, tag = "1")]
        pub(crate) number: i64,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(crate) struct Text {
        #[prost(string, tag = "1")]
        text: String,
    }
}

mod generated {
    #![allow(dead_code)]
    include!(concat!(env!("OUT_DIR"), "/peers.Work.rs"));
}

use by_tonic::{Number, Numbers, Text};
use generated::work_server::{Work, WorkServer};

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

#[tokio::main]
async fn main() -> Result<(), tonic::transport::Error> {
    Server::builder().add_service(WorkServer::new(Handlers)).serve(([127, 0, 0, 1], 0).into()).await
}
