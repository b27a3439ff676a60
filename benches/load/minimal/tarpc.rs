//! The same with tarpc, in bincode.

use futures::StreamExt as _;
use tarpc::context::Context;
use tarpc::server::{BaseChannel, Channel as _};
use tarpc::tokio_serde::formats::Bincode;

#[tarpc::service]
trait Math {
    async fn sum(numbers: Vec<i64>) -> i64;
}

#[derive(Clone)]
struct Server;

impl Math for Server {
    async fn sum(self, _: Context, numbers: Vec<i64>) -> i64 {
        numbers.iter().sum()
    }
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let listener = tarpc::serde_transport::tcp::listen("127.0.0.1:0", Bincode::default).await?;
    let connections = listener.filter_map(|connection| async { connection.ok() });
    let serving = connections.for_each(|connection| async {
        let requests = BaseChannel::with_defaults(connection).execute(Server.serve());
        tokio::spawn(requests.for_each(|answer| async { drop(tokio::spawn(answer)) }));
    });
    serving.await;
    Ok(())
}
