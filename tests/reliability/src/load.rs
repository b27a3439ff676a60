//! Calls that are accounted for, one by one.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs;
use std::io::{self, Read as _, Seek as _};
use std::path::Path;
use std::time::{Duration, Instant};

use nestrs::microservices::ClientProxy;
use nestrs::{Sent, TransportError};

use crate::latency::Latencies;
use crate::report::Report;
use crate::server::{Receipt, Work, seal};

/// How long past its deadline a call is watched before it counts as hanging.
const HANGS_AFTER: Duration = Duration::from_secs(5);

/// What one call is to be.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// How long its handler takes.
    pub millis: u64,
    /// How long its payload is.
    pub pad: usize,
    /// Its deadline.
    pub timeout: Duration,
    /// When its caller loses interest.
    pub dropped_after: Option<Duration>,
}

/// What became of calls.
#[derive(Debug, Default)]
pub struct Ledger {
    /// Begun.
    pub calls: u64,
    /// Ended, in whatever way; the same number, or one was lost.
    pub outcomes: u64,
    /// Nonces of calls that were answered with their own receipt.
    pub acknowledged: Vec<u64>,
    /// Nonces of calls that were said never to have left.
    pub not_sent: Vec<u64>,
    /// Failures that may have been executed.
    pub maybe: u64,
    /// Failures that do not say whether they were sent.
    pub unsaid: u64,
    /// Calls whose caller lost interest.
    pub dropped: u64,
    /// Calls that got a sealed receipt of another call.
    pub wrong: u64,
    /// Calls that got a receipt that was changed on the way.
    pub garbled: u64,
    /// Calls that did not end.
    pub hung: u64,
    /// How far past its deadline the latest call ended.
    pub overdue: Duration,
    /// Of the answered ones.
    pub latencies: Latencies,
    /// Failures by kind, one text of each.
    pub failures: BTreeMap<String, (u64, String)>,
}

impl Ledger {
    /// Makes one call and notes what becomes of it; gives its error, if it was one.
    pub async fn call(&mut self, client: &ClientProxy, nonce: u64, shape: Shape) -> Option<TransportError> {
        let Shape { millis, pad, timeout, dropped_after } = shape;
        self.calls += 1;
        let work = Work { nonce, millis, pad: "p".repeat(pad) };
        let client = client.with_timeout(timeout);
        let started = Instant::now();
        let sending = client.send::<_, Receipt>("work", &work);
        let limit = dropped_after.unwrap_or(timeout + HANGS_AFTER);
        let outcome = tokio::time::timeout(limit, sending).await;
        let took = started.elapsed();
        self.outcomes += 1;
        let outcome = match outcome {
            Ok(outcome) => outcome,
            Err(_) if dropped_after.is_some() => {
                self.dropped += 1;
                return None;
            }
            Err(_) => {
                self.hung += 1;
                return None;
            }
        };
        self.overdue = self.overdue.max(took.saturating_sub(timeout));
        match outcome {
            Ok(receipt) if receipt.seal != seal(receipt.nonce) => self.garbled += 1,
            Ok(receipt) if receipt.nonce != nonce => self.wrong += 1,
            Ok(_) => {
                self.acknowledged.push(nonce);
                self.latencies.add(took);
            }
            Err(error) => {
                match error.sent() {
                    Some(Sent::No) => self.not_sent.push(nonce),
                    Some(Sent::Maybe) => self.maybe += 1,
                    None => self.unsaid += 1,
                }
                let kind = format!("{:?}", error.kind());
                self.failures.entry(kind).or_insert_with(|| (0, error.to_string())).0 += 1;
                return Some(error);
            }
        }
        None
    }

    /// Takes over what another has noted.
    pub fn absorb(&mut self, other: Self) {
        self.calls += other.calls;
        self.outcomes += other.outcomes;
        self.acknowledged.extend(other.acknowledged);
        self.not_sent.extend(other.not_sent);
        self.maybe += other.maybe;
        self.unsaid += other.unsaid;
        self.dropped += other.dropped;
        self.wrong += other.wrong;
        self.garbled += other.garbled;
        self.hung += other.hung;
        self.overdue = self.overdue.max(other.overdue);
        self.latencies.absorb(&other.latencies);
        for (kind, (count, text)) in other.failures {
            self.failures.entry(kind).or_insert_with(|| (0, text)).0 += count;
        }
    }

    /// Failures in all.
    #[must_use]
    pub fn failed(&self) -> u64 {
        self.failures.values().map(|(count, _)| count).sum()
    }

    /// `ConnectionClosed 3 (the connection was lost: …)`.
    #[must_use]
    pub fn spelled_out(&self) -> String {
        let each = self.failures.iter().map(|(kind, (count, text))| format!("{count} {kind} (`{text}`)"));
        each.collect::<Vec<_>>().join(", ")
    }

    /// The kinds of its failures with their numbers, for a figure.
    #[must_use]
    pub fn kinds(&self) -> String {
        let each = self.failures.iter().map(|(kind, (count, _))| format!("{kind}:{count}"));
        let kinds = each.collect::<Vec<_>>().join(",");
        if kinds.is_empty() { "none".to_owned() } else { kinds }
    }
}

/// Whether nothing has hung: every call ended, once, and in its time.
pub fn cl_6_every_call_ends_once_and_in_time(report: &mut Report, ledger: &Ledger, slack: Duration) {
    let Ledger { calls, outcomes, hung, overdue, .. } = ledger;
    report.check("cl_6", calls == outcomes, || format!("{calls} calls and {outcomes} outcomes"));
    report.check("cl_6", *hung == 0, || format!("{hung} calls hang"));
    report.check("cl_6", *overdue <= slack, || format!("a call ended {overdue:.1?} past its deadline"));
}

/// Whether every failure says if it may have been executed, and never falsely that it was not.
pub fn cl_3_what_was_not_sent_was_not_executed(report: &mut Report, ledger: &Ledger, journal: &Journal) {
    report.check("cl_3", ledger.unsaid == 0, || format!("{} failures do not say `sent`", ledger.unsaid));
    let lies: Vec<_> = ledger.not_sent.iter().filter(|nonce| journal.executed(**nonce)).collect();
    report.check("cl_3", lies.is_empty(), || format!("{} calls with `sent = No` were executed", lies.len()));
}

/// Whether what was answered was done.
pub fn sd_3_what_was_acknowledged_was_executed(report: &mut Report, ledger: &Ledger, journal: &Journal) {
    let lost = ledger.acknowledged.iter().filter(|nonce| !journal.executed(**nonce)).count();
    report.check("sd_3", lost == 0, || format!("{lost} acknowledged calls are not in the journal"));
}

/// Whether nobody got another's answer.
pub fn cl_7_no_reply_goes_to_the_wrong_call(report: &mut Report, ledger: &Ledger) {
    report.check("cl_7", ledger.wrong == 0, || format!("{} calls got another's reply", ledger.wrong));
    report.check("cl_7", ledger.garbled == 0, || format!("{} replies were changed on the way", ledger.garbled));
}

/// Whether nothing was executed more often than it was called: what may have been sent is not sent again.
pub fn cl_4_nothing_is_executed_twice(report: &mut Report, journal: &Journal) {
    let twice = journal.0.values().filter(|times| **times > 1).count();
    report.check("cl_4", twice == 0, || format!("{twice} calls were executed more than once"));
}

/// What a server has executed, and how often.
#[derive(Debug, Default)]
pub struct Journal(HashMap<u64, u32>);

/// Of a service in this process: nonces, and how often each was executed.
impl FromIterator<(u64, u32)> for Journal {
    fn from_iter<I: IntoIterator<Item = (u64, u32)>>(executed: I) -> Self {
        Self(executed.into_iter().collect())
    }
}

impl Journal {
    /// Reads what the server has written.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn read(file: &Path) -> io::Result<Self> {
        Self::read_on(file, &mut 0)
    }

    /// Reads what it has written since `from`, which moves on.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn read_on(file: &Path, from: &mut u64) -> io::Result<Self> {
        let mut text = String::new();
        let mut file = fs::File::open(file)?;
        file.seek(io::SeekFrom::Start(*from))?;
        file.read_to_string(&mut text)?;
        // A line may be on its way just now.
        text.truncate(text.rfind('\n').map_or(0, |end| end + 1));
        *from += text.len() as u64;
        let mut executed = HashMap::new();
        for line in text.lines() {
            let nonce = u64::from_str_radix(line, 16).map_err(|_| io::Error::other("the journal is torn"))?;
            *executed.entry(nonce).or_default() += 1;
        }
        Ok(Self(executed))
    }

    /// Whether it was executed at all.
    #[must_use]
    pub fn executed(&self, nonce: u64) -> bool {
        self.0.contains_key(&nonce)
    }

    /// The part of it that belongs to these calls.
    #[must_use]
    pub fn only(&self, nonces: &HashSet<u64>) -> Self {
        Self(self.0.iter().filter(|(nonce, _)| nonces.contains(nonce)).map(|(nonce, times)| (*nonce, *times)).collect())
    }

    /// How many different calls it holds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nothing was executed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
