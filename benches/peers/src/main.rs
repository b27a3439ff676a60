//! Other Rust RPC libraries doing the same work, each as its own documentation shows it; `cargo xtask bench` starts it.
//!
//! ```text
//! peers serve NAME                                               prints `listening ADDRESS`
//! peers drive NAME ADDRESS CONNECTIONS IN_FLIGHT WORK PID WARM_UP SECONDS
//! peers ask NAME ADDRESS IN_FLIGHT REQUESTS                      prints `answered N nanos M`
//! peers hold NAME ADDRESS CONNECTIONS                            prints `listening ADDRESS` when each had an answer
//! ```
//!
//! NAME is `tarpc-bincode`, `tarpc-json` or `tonic`; WORK is `sum`, or the length of a text to echo. The loop is closed as that of
//! the load program is: an answer is what sends the next request, and every answer is checked.

use std::io::Read as _;
use std::net::SocketAddr;

mod by_tarpc;
mod by_tonic;
mod closed_loop;
// How processor time is read, just as the load program does it.
#[path = "../../load/src/proc.rs"]
#[allow(dead_code, reason = "only times are needed here")]
mod proc;

use by_tarpc::Form;
use closed_loop::{Asked, Load};

pub(crate) type Failure = Box<dyn std::error::Error + Send + Sync>;

fn main() -> Result<(), Failure> {
    let args: Vec<_> = std::env::args().skip(1).collect();
    let args: Vec<_> = args.iter().map(String::as_str).collect();
    match args[..] {
        ["serve", name] => serve(name),
        ["drive", name, address, connections, in_flight, work, pid, warm_up, seconds] => {
            let load = Load { connections: connections.parse()?, in_flight: in_flight.parse()?, work: work.parse()? };
            drive(name, address.parse()?, load, Asked::timed(pid, warm_up, seconds)?)
        }
        ["ask", name, address, in_flight, requests] => {
            let load = Load { connections: 1, in_flight: in_flight.parse()?, work: "sum".parse()? };
            drive(name, address.parse()?, load, Asked::Requests(requests.parse()?))
        }
        ["hold", name, address, connections] => hold(name, address.parse()?, connections.parse()?),
        _ => Err("see the first lines of main.rs".into()),
    }
}

/// On as many threads as the other servers.
#[tokio::main]
async fn serve(name: &str) -> Result<(), Failure> {
    std::thread::spawn(|| {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        std::process::exit(0);
    });
    match name {
        "tarpc-bincode" => by_tarpc::serve(Form::Bincode).await,
        "tarpc-json" => by_tarpc::serve(Form::Json).await,
        "tonic" => by_tonic::serve().await,
        _ => Err(format!("`{name}` is no peer").into()),
    }
}

/// On one thread, as the load program.
#[tokio::main(flavor = "current_thread")]
async fn drive(name: &str, address: SocketAddr, load: Load, asked: Asked) -> Result<(), Failure> {
    let line = match name {
        "tarpc-bincode" => closed_loop::run(load, asked, || by_tarpc::connect(Form::Bincode, address)).await?,
        "tarpc-json" => closed_loop::run(load, asked, || by_tarpc::connect(Form::Json, address)).await?,
        "tonic" => closed_loop::run(load, asked, || by_tonic::connect(address)).await?,
        _ => return Err(format!("`{name}` is no peer").into()),
    };
    println!("{line}");
    Ok(())
}

/// Ends when its input does.
#[tokio::main(flavor = "current_thread")]
async fn hold(name: &str, address: SocketAddr, connections: u32) -> Result<(), Failure> {
    match name {
        "tarpc-bincode" => closed_loop::hold(address, connections, || by_tarpc::connect(Form::Bincode, address)).await,
        "tarpc-json" => closed_loop::hold(address, connections, || by_tarpc::connect(Form::Json, address)).await,
        "tonic" => closed_loop::hold(address, connections, || by_tonic::connect(address)).await,
        _ => Err(format!("`{name}` is no peer").into()),
    }
}
