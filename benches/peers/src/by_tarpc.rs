//! tarpc, with bincode and with JSON.

use std::net::SocketAddr;

use futures::StreamExt as _;
use tarpc::server::{BaseChannel, Channel as _};
use tarpc::tokio_serde::formats::{Bincode, Json};
use tarpc::tokio_util::codec::LengthDelimitedCodec;
use tarpc::{ClientMessage, Response, Transport, client, context, serde_transport};
use tokio::net::{TcpListener, TcpStream};

use crate::Failure;
use crate::closed_loop::Caller;

/// How messages are written.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Form {
    Bincode,
    Json,
}

#[tarpc::service]
pub(crate) trait Work {
    async fn sum(numbers: Vec<i64>) -> i64;
    async fn echo(text: String) -> String;
}

#[derive(Clone)]
struct Server;

impl Work for Server {
    async fn sum(self, _: context::Context, numbers: Vec<i64>) -> i64 {
        numbers.iter().sum()
    }

    async fn echo(self, _: context::Context, text: String) -> String {
        text
    }
}

pub(crate) async fn serve(form: Form) -> Result<(), Failure> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("listening {}", listener.local_addr()?);
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let framed = LengthDelimitedCodec::builder().new_framed(stream);
        match form {
            Form::Bincode => drop(tokio::spawn(answer(serde_transport::new(framed, Bincode::default())))),
            Form::Json => drop(tokio::spawn(answer(serde_transport::new(framed, Json::default())))),
        }
    }
}

/// A task for each request, as tarpc's example has it.
async fn answer<T>(transport: T)
where
    T: Transport<Response<WorkResponse>, ClientMessage<WorkRequest>> + Send + 'static,
    T::TransportError: Send + Sync + 'static,
{
    let requests = BaseChannel::with_defaults(transport).execute(Server.serve());
    requests.for_each(|answer| async { drop(tokio::spawn(answer)) }).await;
}

pub(crate) async fn connect(form: Form, address: SocketAddr) -> Result<WorkClient, Failure> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let framed = LengthDelimitedCodec::builder().new_framed(stream);
    Ok(match form {
        Form::Bincode => begin(serde_transport::new(framed, Bincode::default())),
        Form::Json => begin(serde_transport::new(framed, Json::default())),
    })
}

fn begin<T>(transport: T) -> WorkClient
where
    T: Transport<ClientMessage<WorkRequest>, Response<WorkResponse>> + Send + 'static,
    T::TransportError: Send + Sync + 'static,
{
    WorkClient::new(client::Config::default(), transport).spawn()
}

impl Caller for WorkClient {
    async fn sum(&mut self, numbers: Vec<i64>) -> Result<i64, Failure> {
        Ok(Self::sum(self, context::current(), numbers).await?)
    }

    async fn echo(&mut self, text: String) -> Result<String, Failure> {
        Ok(Self::echo(self, context::current(), text).await?)
    }
}
