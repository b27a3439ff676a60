//! What another client feels while a server suffers.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nestrs::TransportError;
use nestrs::microservices::{ClientProxy, TcpTransport, TcpTransportOptions};

use crate::latency::Latencies;
use crate::report::Report;

/// Below this a p99 is the scheduler's, not the server's: the peers that make it suffer, the server, its twin and this
/// client share what may be two cores, in slices of 3 ms. What is starved waits for hundreds.
const NOISE: Duration = Duration::from_millis(10);
/// One look at both; a few hundred calls.
const WINDOW: Duration = Duration::from_millis(250);

/// A client with the defaults, but for a deadline.
#[must_use]
pub fn client(address: SocketAddr, timeout: Duration) -> ClientProxy {
    client_with(TcpTransportOptions::to(&address.to_string()).request_timeout(Some(timeout)))
}

/// A client with these options.
#[must_use]
pub fn client_with(options: TcpTransportOptions) -> ClientProxy {
    ClientProxy::new(Arc::new(TcpTransport::new(options)))
}

/// A well-behaved client of the server that suffers, and one of a twin that does not.
///
/// The twin is what makes times comparable on a machine that has other things to do: whatever slows both is no fault of
/// the server.
#[derive(Debug)]
pub struct Pair {
    suffering: ClientProxy,
    twin: ClientProxy,
}

/// Times of both, in windows of the same moments.
///
/// A machine that is busy with other things makes single windows bad; the median of their p99s is the servers' own.
#[derive(Clone, Debug, Default)]
pub struct Felt {
    windows: Vec<Window>,
    /// Calls that failed, and why the last one did.
    failed: Option<(u64, String)>,
}

#[derive(Clone, Debug, Default)]
struct Window {
    suffering: Latencies,
    twin: Latencies,
}

impl Felt {
    /// Takes over the windows of another.
    pub fn absorb(&mut self, other: Self) {
        self.windows.extend(other.windows);
        self.failed = self.failed.take().or(other.failed);
    }

    /// Of the server that suffers.
    #[must_use]
    pub fn suffering(&self) -> Duration {
        self.middle(|window| window.suffering.p99())
    }

    /// Of its twin.
    #[must_use]
    pub fn twin(&self) -> Duration {
        self.middle(|window| window.twin.p99())
    }

    fn middle(&self, p99: impl Fn(&Window) -> Duration) -> Duration {
        let mut all: Vec<_> = self.windows.iter().map(p99).collect();
        all.sort_unstable();
        all.get(all.len() / 2).copied().unwrap_or_default()
    }
}

impl Pair {
    /// Connects to both.
    ///
    /// # Errors
    /// When one cannot be reached.
    pub async fn connect(suffering: SocketAddr, twin: SocketAddr) -> Result<Self, TransportError> {
        let [suffering, twin] = [suffering, twin].map(|address| client(address, Duration::from_secs(10)));
        suffering.connect().await?;
        twin.connect().await?;
        Ok(Self { suffering, twin })
    }

    /// Calls both by turns for so long.
    pub async fn feel(&self, how_long: Duration) -> Felt {
        let mut felt = Felt::default();
        let end = Instant::now() + how_long;
        while Instant::now() < end {
            let window = self.window(&mut felt.failed).await;
            felt.windows.push(window);
        }
        felt
    }

    async fn window(&self, failed: &mut Option<(u64, String)>) -> Window {
        let mut window = Window::default();
        let end = Instant::now() + WINDOW;
        let mut number = 0_u64;
        while Instant::now() < end {
            number += 1;
            for (client, times) in [(&self.suffering, &mut window.suffering), (&self.twin, &mut window.twin)] {
                let started = Instant::now();
                let outcome = client.send::<_, u64>("echo", &number).await;
                times.add(started.elapsed());
                let wrong = match outcome {
                    Ok(echo) if echo == number => continue,
                    Ok(other) => format!("{other} came back for {number}"),
                    Err(error) => error.to_string(),
                };
                let before = failed.as_ref().map_or(0, |(count, _)| *count);
                *failed = Some((before + 1, wrong));
            }
            tokio::time::sleep(Duration::from_micros(500)).await;
        }
        window
    }

    /// Closes both.
    pub async fn close(self) {
        self.suffering.close().await;
        self.twin.close().await;
    }
}

/// Whether another client's p99 stays within twice what it was before, or what its twin's is at the same time.
pub fn sl_11_other_clients_feel_little_of_it(report: &mut Report, what: &str, before: &Felt, during: &Felt) {
    let calm = before.suffering().max(during.twin());
    let bound = (calm * 2).max(NOISE);
    let p99 = during.suffering();
    report.check("sl_11", p99 <= bound, || format!("{what}: another client's p99 is {p99:.1?}, over {bound:.1?}"));
    sl_11_calls_of_other_clients_succeed(report, what, before, during);
}

/// Whether no call of another client fails. How long they take is noted, and is no check: for where the peers that make
/// the server suffer take all the processors there are.
pub fn sl_11_calls_of_other_clients_succeed(report: &mut Report, what: &str, before: &Felt, during: &Felt) {
    report.figure(
        &format!("{what}_p99_before/twin/during"),
        format!("{:.1?}/{:.1?}/{:.1?}", before.suffering(), during.twin(), during.suffering()),
    );
    let failed = during.failed.as_ref();
    report.check("sl_11", failed.is_none(), || {
        let (count, why) = failed.cloned().unwrap_or_default();
        format!("{what}: {count} calls of another client failed: {why}")
    });
}
