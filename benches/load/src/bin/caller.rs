//! nestrs's client in a closed loop: `caller ADDRESS DEPTH SECONDS` keeps so many calls under way, and prints how many were
//! answered and how much processor time this process spent, as `calls N nanos M`.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use nestrs::TransportError;
use nestrs::microservices::{TcpTransport, TcpTransportOptions};
use nestrs::prelude::*;

#[path = "../proc.rs"]
#[expect(dead_code, reason = "only the time is needed here")]
mod proc;

use proc::Proc;

/// Before measuring.
const WARM_UP: Duration = Duration::from_millis(200);

#[tokio::main(flavor = "current_thread")]
#[expect(clippy::print_stdout, reason = "this is what the load program reads")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let (Some(address), Some(depth), Some(seconds)) = (args.next(), args.next(), args.next()) else {
        return Err("caller ADDRESS DEPTH SECONDS".into());
    };
    let (depth, length) = (depth.parse::<u32>()?, Duration::from_secs_f64(seconds.parse()?));
    let client = ClientProxy::new(Arc::new(TcpTransport::new(TcpTransportOptions::to(&address))));
    let calls = Rc::new(Cell::new(0_u64));
    let began = Instant::now();
    let look = Cell::new(None);
    // A task for each call under way, as handlers that call another service have.
    let local = tokio::task::LocalSet::new();
    let workers = (0..depth).map(|worker| {
        let (client, calls) = (client.clone(), calls.clone());
        async move {
            let mut first = i64::from(worker);
            while began.elapsed() < WARM_UP + length {
                let numbers = [first, first + 1, first + 2, first + 3, first + 4];
                let sum: i64 = client.send("math.sum", &numbers).await?;
                if sum != 5 * first + 10 {
                    return Err(TransportError::new("a wrong answer"));
                }
                first = (first + 1) % 900;
                calls.set(calls.get() + 1);
            }
            Ok(())
        }
    });
    let outcome = local
        .run_until(async {
            let workers: Vec<_> = workers.map(tokio::task::spawn_local).collect();
            tokio::time::sleep(WARM_UP).await;
            look.set(Some((calls.get(), Proc::own().cpu())));
            join_all(workers).await
        })
        .await;
    for ended in outcome {
        ended??;
    }
    let (calls_before, cpu_before) = look.get().unwrap_or_default();
    println!("calls {} nanos {}", calls.get() - calls_before, (Proc::own().cpu() - cpu_before).as_nanos());
    Ok(())
}
