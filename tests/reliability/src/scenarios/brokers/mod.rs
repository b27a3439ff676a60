//! A broker that is stopped, killed, frozen, or not there yet, at five hundred messages a second: what callers and emitters
//! see, and how soon all is as before.

mod ends;
mod messages;
mod watch;

use std::future::Future;
use std::time::{Duration, Instant};

use nestrs::microservices::{ClientProxy, ServerStatus};
use nestrs::{ErrorKind, RunningApp, Sent};
use nestrs_brokers::{Broker, Nats, Redis};
use tokio::task::{JoinHandle, JoinSet};

use super::Broken;
use super::faults::SLACK;
use crate::load::{
    Ledger, cl_3_what_was_not_sent_was_not_executed, cl_4_nothing_is_executed_twice,
    cl_6_every_call_ends_once_and_in_time, cl_7_no_reply_goes_to_the_wrong_call,
    sd_3_what_was_acknowledged_was_executed,
};
use crate::process::eventually;
use crate::report::Report;
use crate::settings::Settings;
use ends::{Counted, Ends, Kind, LateModule, LossModule};
use watch::Statuses;

/// Calls that are under way when the broker goes.
const HELD: u64 = 20;
/// By when they have failed: CL-2's 100 ms, for a machine with other things to do.
const PENDING: Duration = Duration::from_millis(500);
/// By when a loss is told (BR-2).
const TOLD: Duration = Duration::from_secs(1);
/// By when all is as before (BR-3).
const BACK: Duration = Duration::from_secs(2);
/// How long a call by hand may take.
const TIMEOUT: Duration = Duration::from_secs(2);

/// How a broker is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Loss {
    Stopped,
    Killed,
    Frozen,
}

pub(in crate::scenarios) async fn run(settings: Settings) -> Result<Report, Broken> {
    let (nats, redis) = tokio::join!(Broker::start_or_skip(Nats::new()), Broker::start_or_skip(Redis::new()),);
    if nats.is_none() && redis.is_none() {
        return Ok(Report::skipped("there are neither `nats-server` nor `redis-server`"));
    }
    let (nats, redis) = tokio::join!(broker(&settings, Kind::Nats, nats), broker(&settings, Kind::Redis, redis));
    let mut report = Report::default();
    report.figure("cycles", settings.rounds(2, 100));
    report.absorb_part("nats", nats?);
    report.absorb_part("redis", redis?);
    Ok(report)
}

/// The longest times of all cycles.
#[derive(Debug, Default)]
struct Slowest {
    pending: Duration,
    told: Duration,
    back: Duration,
    back_from_frozen: Duration,
    started: Duration,
}

/// What is there while a broker comes and goes.
struct Story {
    kind: Kind,
    settings: Settings,
    ends: Ends,
    broker: Broker,
    app: RunningApp,
    client: ClientProxy,
    statuses: Statuses,
    rng: fastrand::Rng,
    report: Report,
    slowest: Slowest,
    ledger: Ledger,
    emitted: usize,
    nonce: u64,
}

async fn broker(settings: &Settings, kind: Kind, broker: Option<Broker>) -> Result<Report, Broken> {
    let name = kind.name();
    let Some(broker) = broker else {
        let mut report = Report::default();
        report.figure(name, "skipped");
        return Ok(report);
    };
    let ends = Ends::new(kind, &broker.address(), settings);
    let app = ends.serve::<LossModule>().await?;
    let client = ends.client();
    client.connect().await?;
    let statuses = Statuses::of(&client, app.servers().get(name).ok_or("the broker's server has a handle")?);
    let rng = settings.rng(name);
    let mut story = Story {
        kind,
        settings: settings.clone(),
        ends,
        broker,
        app,
        client,
        statuses,
        rng,
        report: Report::default(),
        slowest: Slowest::default(),
        ledger: Ledger::default(),
        emitted: 0,
        nonce: 0,
    };
    for _ in 0..settings.rounds(2, 100) {
        for loss in [Loss::Stopped, Loss::Killed, Loss::Frozen] {
            story.lose(loss).await.map_err(|broken| format!("{name}, {loss:?}: {broken}"))?;
        }
    }
    Ok(story.end().await)
}

impl Story {
    /// One loss and all that comes of it.
    async fn lose(&mut self, loss: Loss) -> Result<(), Broken> {
        let counted = self.app.get::<Counted>().ok_or("it is a provider")?;
        counted.forget();
        self.statuses.forget();
        let traffic = messages::begin(&self.client, self.rng.u64(..));
        tokio::time::sleep(Duration::from_millis(self.rng.u64(150..300))).await;
        let held = self.hold(&counted).await?;

        match loss {
            Loss::Stopped => self.broker.stop().await?,
            Loss::Killed => self.broker.kill().await?,
            Loss::Frozen => self.broker.pause().await?,
        }
        let lost = Instant::now();
        let outage = match loss {
            Loss::Frozen => self.settings.pick(Duration::from_millis(1500), Duration::from_secs(15)),
            _ => Duration::from_millis(self.rng.u64(300..900)),
        };
        let late = match loss {
            Loss::Stopped => Some(self.br_1_who_starts_without_a_broker_waits_and_says_so().await),
            _ => None,
        };
        tokio::time::sleep(outage.saturating_sub(lost.elapsed())).await;
        let returning = Instant::now();
        match loss {
            Loss::Frozen => self.broker.resume().await?,
            _ => self.broker.restart().await?,
        }
        let accepts = Instant::now();
        self.br_3_all_is_as_before_soon(loss, &counted, accepts).await;
        if let Some(late) = late {
            self.br_1_who_waited_is_served(late, accepts).await?;
        }
        tokio::time::sleep(Duration::from_millis(self.rng.u64(150..300))).await;
        let found = traffic.end().await?;

        if loss != Loss::Frozen {
            self.cl_2_what_is_under_way_fails_at_once(held, lost).await?;
            self.br_2_a_loss_is_told_at_once(lost, returning);
        } else {
            self.cl_6_what_is_held_ends(held).await?;
        }
        // A system that is frozen takes what it is sent, and that is all that NATS' `emit` waits for (NT-1).
        let may_be_taken = loss == Loss::Frozen && self.kind == Kind::Nats;
        let within = |event: &&messages::Emitted| event.began > lost && event.ended < returning;
        let alone = found.events.iter().filter(within).filter(|event| event.sent.is_none()).count();
        self.report.check("br_2", may_be_taken || alone == 0, || {
            format!("{alone} events were emitted while the broker was {loss:?}")
        });
        let slow = found.events.iter().map(|event| event.ended - event.began).max().unwrap_or_default();
        self.report.check("cl_6", found.hung == 0 && slow < messages::TIMEOUT + SLACK, || {
            format!("{} events hang, and one took {slow:.1?}", found.hung)
        });
        let unsent = found.events.iter().filter(|event| event.sent == Some(Some(Sent::No)));
        let lies = unsent.filter(|event| counted.noted(event.nonce) > 0).count();
        self.report.check("cl_3", lies == 0, || format!("{lies} events with `sent = No` were handled"));
        let twice = found.events.iter().filter(|event| counted.noted(event.nonce) > 1).count();
        self.report.check("cl_4", twice == 0, || format!("{twice} events were handled more than once"));
        self.emitted += found.events.len();

        let (journal, ledger) = (counted.journal(), found.ledger);
        cl_6_every_call_ends_once_and_in_time(&mut self.report, &ledger, SLACK);
        cl_3_what_was_not_sent_was_not_executed(&mut self.report, &ledger, &journal);
        cl_4_nothing_is_executed_twice(&mut self.report, &journal);
        cl_7_no_reply_goes_to_the_wrong_call(&mut self.report, &ledger);
        sd_3_what_was_acknowledged_was_executed(&mut self.report, &ledger, &journal);
        self.ledger.absorb(ledger);
        let pending = eventually(SLACK, async || self.client.stats().pending == 0).await;
        self.report.check("cl_2", pending.is_ok(), || "calls stay under way that have ended".to_owned());
        Ok(())
    }

    /// Calls whose handlers have begun, and that are still under way when the broker goes.
    async fn hold(&mut self, counted: &Counted) -> Result<JoinSet<(Option<ErrorKind>, Option<Sent>, Instant)>, Broken> {
        let mut held = JoinSet::new();
        let nonces = self.nonce..self.nonce + HELD;
        self.nonce += HELD;
        for nonce in nonces.clone() {
            let client = self.client.with_timeout(TIMEOUT);
            held.spawn(async move {
                let error = client.send::<_, u64>("hold", &nonce).await.err();
                (error.as_ref().map(nestrs::TransportError::kind), error.and_then(|error| error.sent()), Instant::now())
            });
        }
        let begun = eventually(TIMEOUT, async || nonces.clone().all(|nonce| counted.held(nonce))).await;
        begun.map_err(|waited| format!("handlers do not begin in {waited:.1?}"))?;
        Ok(held)
    }

    async fn cl_2_what_is_under_way_fails_at_once(
        &mut self,
        mut held: JoinSet<(Option<ErrorKind>, Option<Sent>, Instant)>,
        lost: Instant,
    ) -> Result<(), Broken> {
        let (mut otherwise, mut latest) = (Vec::new(), Duration::ZERO);
        while let Some(ended) = held.join_next().await {
            let (kind, sent, at) = ended?;
            if (kind, sent) != (Some(ErrorKind::ConnectionClosed), Some(Sent::Maybe)) {
                otherwise.push((kind, sent));
            }
            // One that noticed before the process had ended is early, not late.
            latest = latest.max(at.saturating_duration_since(lost));
        }
        self.slowest.pending = self.slowest.pending.max(latest);
        self.report.check("cl_2", otherwise.is_empty(), || {
            format!("{} calls under way do not end as lost: {:?}", otherwise.len(), otherwise[0])
        });
        self.report.check("cl_2", latest <= PENDING, || format!("a call under way fails {latest:.1?} after the loss"));
        Ok(())
    }

    /// Over a broker that is only silent, calls end by the silence or by their time.
    async fn cl_6_what_is_held_ends(
        &mut self,
        mut held: JoinSet<(Option<ErrorKind>, Option<Sent>, Instant)>,
    ) -> Result<(), Broken> {
        while let Some(ended) = held.join_next().await {
            let (kind, sent, _) = ended?;
            let is_so =
                matches!(kind, Some(ErrorKind::ConnectionClosed | ErrorKind::Timeout)) && sent == Some(Sent::Maybe);
            self.report.check("cl_6", is_so, || format!("a call to a silent broker ends by {kind:?}, {sent:?}"));
        }
        Ok(())
    }

    fn br_2_a_loss_is_told_at_once(&mut self, lost: Instant, returning: Instant) {
        let (client, server) = (self.statuses.client_lost(), self.statuses.server_lost());
        for (who, told) in [("client", client), ("service", server)] {
            let after = told.map(|told| told.saturating_duration_since(lost));
            self.report.check("br_2", after.is_some_and(|after| after <= TOLD), || {
                format!("the {who} tells of a loss after {after:.1?}, of {:.1?}", returning - lost)
            });
            self.slowest.told = self.slowest.told.max(after.unwrap_or_default());
        }
    }

    /// Every pattern is subscribed to again, without a word of anybody.
    async fn br_3_all_is_as_before_soon(&mut self, loss: Loss, counted: &Counted, accepts: Instant) {
        let client = self.client.with_timeout(Duration::from_millis(500));
        let event = u64::MAX - self.nonce;
        let back = eventually(BACK * 3, async || {
            client.send::<_, u64>("echo", &7).await.is_ok()
                && client.emit("noted", &event).await.is_ok()
                && eventually(Duration::from_millis(200), async || counted.noted(event) > 0).await.is_ok()
        });
        let (answered, took) = (back.await.is_ok(), accepts.elapsed());
        self.report.check("br_3", answered && took <= BACK, || {
            let after = if answered { "is as before after" } else { "is not as before after" };
            format!("what was {loss:?} {after} {took:.1?}, over {BACK:?}")
        });
        let slowest = match loss {
            Loss::Frozen => &mut self.slowest.back_from_frozen,
            _ => &mut self.slowest.back,
        };
        *slowest = (*slowest).max(took);
        let listening = self.app.servers().get(self.kind.name()).map(|server| server.current_status());
        self.report
            .check("br_3", listening == Some(ServerStatus::Listening), || format!("the service is {listening:?}"));
    }

    /// A service and a client that begin while there is no broker.
    async fn br_1_who_starts_without_a_broker_waits_and_says_so(&mut self) -> Late {
        let (ends, client) = (self.ends.clone(), self.ends.client());
        let starting = tokio::spawn(async move { ends.serve::<LateModule>().await });
        let asked = Instant::now();
        let error = client.send::<_, u64>("late", &1).await.err();
        let (took, kind) = (asked.elapsed(), error.as_ref().map(nestrs::TransportError::kind));
        let sent = error.and_then(|error| error.sent());
        self.report.check("cl_1", (kind, sent) == (Some(ErrorKind::Unavailable), Some(Sent::No)), || {
            format!("a call without a broker ends by {kind:?}, {sent:?}")
        });
        self.report.check("cl_1", took <= Duration::from_secs(1) + SLACK, || {
            format!("a call without a broker ends after {took:.1?}")
        });
        self.report.check("br_1", !starting.is_finished(), || "a service does not wait for its broker".to_owned());
        Late { starting, client }
    }

    async fn br_1_who_waited_is_served(&mut self, late: Late, accepts: Instant) -> Result<(), Broken> {
        let Late { starting, client } = late;
        let app = starting.await?.map_err(|error| format!("a service that waited does not start: {error}"))?;
        let answered = eventually(BACK * 3, async || client.send::<_, u64>("late", &7).await.is_ok()).await;
        let after = accepts.elapsed();
        self.slowest.started = self.slowest.started.max(after);
        self.report.check("br_1", answered.is_ok() && after <= BACK, || {
            format!("who waited for a broker is served {after:.1?} after it came")
        });
        client.close().await;
        app.close().await;
        Ok(())
    }

    async fn end(self) -> Report {
        let Self { kind, mut report, slowest, ledger, emitted, client, app, statuses, .. } = self;
        let name = kind.name();
        drop(statuses);
        let stats = client.stats();
        sd_2_ends_in_time(&mut report, "client", client.close()).await;
        sd_2_ends_in_time(&mut report, "service", app.close()).await;
        report.figure(&format!("{name}_calls"), ledger.calls);
        report.figure(&format!("{name}_acknowledged"), ledger.acknowledged.len());
        report.figure(&format!("{name}_failed"), ledger.kinds());
        report.figure(&format!("{name}_events"), emitted);
        report.figure(&format!("{name}_lost_connections"), stats.lost_connections);
        report.figure(&format!("{name}_pending_failed_after"), format!("{:.1?}/{PENDING:?}", slowest.pending));
        report.figure(&format!("{name}_told_after"), format!("{:.1?}/{TOLD:?}", slowest.told));
        report.figure(&format!("{name}_back_after"), format!("{:.1?}/{BACK:?}", slowest.back));
        report.figure(&format!("{name}_back_from_frozen_after"), format!("{:.1?}/{BACK:?}", slowest.back_from_frozen));
        report.figure(&format!("{name}_started_after"), format!("{:.1?}/{BACK:?}", slowest.started));
        report.figure(&format!("{name}_p50/p99/max"), &ledger.latencies);
        report
    }
}

/// Who began without a broker.
struct Late {
    starting: JoinHandle<Result<RunningApp, nestrs::ListenError>>,
    client: ClientProxy,
}

async fn sd_2_ends_in_time(report: &mut Report, who: &str, closing: impl Future<Output = ()>) {
    let began = Instant::now();
    let ended = tokio::time::timeout(ends::GRACE + Duration::from_secs(2), closing).await;
    report.check("sd_2", ended.is_ok(), || format!("the {who} has not ended after {:.1?}", began.elapsed()));
}
