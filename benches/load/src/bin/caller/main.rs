//! Clients in a closed loop: `caller WHICH ADDRESS DEPTH for SECONDS`, or `... calls N`, keeps so many calls under way. It
//! prints how many were answered and how much processor time this process spent, as `calls N nanos M`.
//!
//! WHICH is `proxy`, nestrs's client, or `hand`, one with no framework at all.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use nestrs::microservices::{TcpTransport, TcpTransportOptions};
use nestrs::prelude::*;

mod hand;
#[path = "../../proc.rs"]
#[expect(dead_code, reason = "only the time is needed here")]
mod proc;

use hand::Hand;
use proc::Proc;

/// Before measuring.
const WARM_UP: Duration = Duration::from_millis(200);

type Failure = Box<dyn std::error::Error>;

/// A client; its clones share one connection.
#[derive(Clone)]
enum Caller {
    Proxy(ClientProxy),
    Hand(Hand),
}

impl Caller {
    async fn sum(&self, numbers: &[i64; 5]) -> Result<i64, Failure> {
        match self {
            Self::Proxy(client) => Ok(client.send("math.sum", numbers).await?),
            Self::Hand(client) => client.call("math.sum", numbers).await,
        }
    }
}

/// How long it goes on.
#[derive(Clone, Copy)]
enum Until {
    Time(Instant),
    Calls(u64),
}

#[tokio::main(flavor = "current_thread")]
#[expect(clippy::print_stdout, reason = "this is what the load program reads")]
async fn main() -> Result<(), Failure> {
    let args: Vec<_> = std::env::args().skip(1).collect();
    let args: Vec<_> = args.iter().map(String::as_str).collect();
    let [which, address, depth, manner, number] = args[..] else {
        return Err("see the first lines of main.rs".into());
    };
    let client = match which {
        "proxy" => Caller::Proxy(ClientProxy::new(Arc::new(TcpTransport::new(TcpTransportOptions::to(address))))),
        "hand" => Caller::Hand(Hand::connect(address).await?),
        _ => return Err(format!("`{which}` is no client").into()),
    };
    let until = match manner {
        "for" => Until::Time(Instant::now() + WARM_UP + Duration::try_from_secs_f64(number.parse()?)?),
        "calls" => Until::Calls(number.parse()?),
        _ => return Err(format!("`{manner}` is neither `for` nor `calls`").into()),
    };
    let begun = Rc::new(Cell::new(0));
    let answered = Rc::new(Cell::new(0_u64));
    // A task for each call under way, as handlers that call another service have.
    let local = tokio::task::LocalSet::new();
    let (outcome, before) = local
        .run_until(async {
            let depth = depth.parse::<u32>()?;
            let loops = (0..depth).map(|slot| calls(client.clone(), until, begun.clone(), answered.clone(), slot));
            let loops: Vec<_> = loops.map(tokio::task::spawn_local).collect();
            if let Until::Time(_) = until {
                tokio::time::sleep(WARM_UP).await;
            }
            let before = (answered.get(), Proc::own().cpu());
            Ok::<_, Failure>((join_all(loops).await, before))
        })
        .await?;
    for ended in outcome {
        ended??;
    }
    println!("calls {} nanos {}", answered.get() - before.0, (Proc::own().cpu() - before.1).as_nanos());
    Ok(())
}

/// One call after the other; every answer is checked.
async fn calls(
    client: Caller,
    until: Until,
    begun: Rc<Cell<u64>>,
    answered: Rc<Cell<u64>>,
    slot: u32,
) -> Result<(), Failure> {
    let mut first = i64::from(slot);
    loop {
        let over = match until {
            Until::Time(end) => Instant::now() >= end,
            Until::Calls(calls) => begun.get() >= calls,
        };
        if over {
            return Ok(());
        }
        begun.set(begun.get() + 1);
        let sum = client.sum(&[first, first + 1, first + 2, first + 3, first + 4]).await?;
        if sum != 5 * first + 10 {
            return Err("a wrong answer".into());
        }
        first = (first + 1) % 900;
        answered.set(answered.get() + 1);
    }
}
