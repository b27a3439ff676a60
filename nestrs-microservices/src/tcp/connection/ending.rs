//! How a connection ends, and what its log says then.

use std::future::poll_fn;
use std::io;
use std::task::Poll;
use std::time::Duration;

use futures_util::StreamExt;
use nestrs_core::spans::PeerText;
use tokio::io::AsyncWriteExt;
use tracing::field::display;

use crate::net::CloseReason;
use crate::net::codec::FrameError;
use crate::shutdown::Shutdown;
use crate::tcp::fault::Fault;
use crate::tcp::out::Out;

use super::tally::{Tally, some};
use super::{Connection, FAULT_GRACE, Phase};

/// How much input is discarded before a connection is closed.
const DISCARD_MAX: usize = 64 * 1024;
/// How long the answers for dropped calls may take to be sent. The shutdown waits a little longer than this.
const LAST_WORDS: Duration = Duration::from_millis(400);

/// The line that every connection ends with.
pub(super) fn log_end(reason: CloseReason, tally: &Tally) {
    let mut told = false;
    // Not this side's doing, and nobody's mistake.
    if matches!(reason, CloseReason::PeerReset | CloseReason::Dead) {
        tally.gone.pass(|suppressed| {
            tracing::info!(target: "nestrs::tcp", %reason, suppressed = some(suppressed), "disconnected");
            told = true;
        });
    }
    if !told {
        tracing::debug!(target: "nestrs::tcp", %reason, "disconnected");
    }
}

impl Connection {
    pub(super) fn log_fault(&self, fault: &Fault) {
        // Up to the first byte that is wrong: what follows may be a body, and bodies are not logged.
        let header = match fault {
            Fault::Frame(FrameError::Header) => {
                let good = |byte: &&u8| byte.is_ascii_digit() || byte.is_ascii_whitespace();
                let digits = self.buffer.iter().take(16).take_while(good).count();
                self.buffer.get(..=digits).unwrap_or(&self.buffer)
            }
            _ => &[],
        };
        self.limits.tally.faults.pass(|suppressed| {
            tracing::warn!(
                target: "nestrs::tcp",
                peer_addr = self.meter.peer_addr.map(display),
                %fault,
                hint = fault.hint(&self.buffer),
                header = %PeerText(header),
                code = fault.code(&self.buffer).code(),
                suppressed = some(suppressed),
                "protocol fault; closing"
            );
        });
    }

    /// Sends what is queued, says FIN and lets the peer take it: closing with input unread would reset it away.
    pub(super) async fn close(&mut self, reason: CloseReason, shutdown: &Shutdown) -> CloseReason {
        // A peer that was sent nothing lately has nothing to lose by it.
        let patience = match reason {
            CloseReason::Shutdown | CloseReason::Idle if self.out.is_empty() => {
                let since = self.progress.map_or(FAULT_GRACE, |progress| progress.elapsed());
                FAULT_GRACE.saturating_sub(since)
            }
            _ => FAULT_GRACE,
        };
        // In a box: room that every connection would have for as long as it lives.
        let farewell = async {
            tokio::select! {
                biased;
                () = self.say_goodbye(patience) => {}
                // The shutdown does not wait for the rest of it.
                () = async { shutdown.expired().await; tokio::time::sleep(LAST_WORDS).await } => {}
            }
        };
        Box::pin(farewell).await;
        reason
    }

    async fn say_goodbye(&mut self, patience: Duration) {
        let mut discarded = 0;
        let farewell = async {
            poll_fn(|task| self.poll_write(task)).await?;
            self.io.shutdown().await?;
            while discarded < DISCARD_MAX {
                match poll_fn(|task| self.poll_discard(task)).await? {
                    0 => break,
                    read => discarded += read,
                }
            }
            io::Result::Ok(())
        };
        // A peer that is gone already needs no farewell.
        let _ = tokio::time::timeout(patience, farewell).await;
        if discarded > 0 {
            tracing::debug!(target: "nestrs::tcp", discarded, "bytes came after the end, and were not read");
        }
        self.context.leave();
    }

    /// The grace period is over: handlers are told, and dropped, and their callers are told.
    pub(super) async fn abandon_calls(&mut self) -> CloseReason {
        let reason = match self.phase {
            Phase::Ending(reason, _) => reason,
            _ => CloseReason::Shutdown,
        };
        self.context.leave();
        // Those who heed the token have a last chance to answer for themselves.
        let _ = poll_fn(|task| Poll::Ready(self.poll_flights(task))).await;
        self.answer_the_dropped();
        Box::pin(self.say_goodbye(LAST_WORDS)).await;
        reason
    }

    /// The peer costs more than it may, and is closed without a word.
    pub(super) fn cut_off(&mut self, reason: CloseReason, shutdown: &Shutdown) -> CloseReason {
        self.limits.tally.cut_off.pass(|suppressed| self.log_cut_off(reason, some(suppressed)));
        self.io.close_abruptly();
        self.out = Out::default();
        self.leave(shutdown);
        reason
    }

    fn log_cut_off(&self, reason: CloseReason, suppressed: Option<u64>) {
        let (peer_addr, queued) = (self.meter.peer_addr.map(display), self.out.queued());
        match reason {
            CloseReason::SlowFrame => {
                let (received, announced) = (self.buffer.len(), self.decoder.body_len().map(|(least, _)| least));
                tracing::warn!(
                    target: "nestrs::tcp", peer_addr, received, announced, suppressed, "a frame took too long; closed"
                );
            }
            CloseReason::Budget => {
                let max = self.limits.options.send_budget_bytes;
                tracing::warn!(
                    target: "nestrs::tcp", peer_addr, queued, max, suppressed,
                    "the replies of all connections are more than may be queued, and of this one the most; closed"
                );
            }
            _ => tracing::warn!(target: "nestrs::tcp", peer_addr, queued, suppressed, "peer does not read; closed"),
        }
    }

    /// The socket has failed.
    pub(super) fn broken(&mut self, error: &io::Error, shutdown: &Shutdown) -> CloseReason {
        let reason = CloseReason::of_lost(error);
        tracing::debug!(target: "nestrs::tcp", %error, "connection lost");
        self.out = Out::default();
        self.leave(shutdown);
        reason
    }

    /// Nobody waits for answers any more: handlers run to their end without the connection, under the server's limit on
    /// calls; streams of replies end here.
    pub(super) fn leave(&mut self, shutdown: &Shutdown) {
        self.context.leave();
        self.meter.abandoned(self.flights.len() + self.parked.len());
        self.parked.clear();
        let mut flights = self.flights.take();
        if !flights.is_empty() {
            shutdown.spawn(async move {
                while flights.next().await.is_some() {
                    tokio::task::coop::consume_budget().await;
                }
            });
        }
    }
}
