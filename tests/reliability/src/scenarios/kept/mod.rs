//! Events that a broker keeps until they are handled, five hundred a second, while it is stopped, killed and frozen, and while
//! their service is started anew: of those that it has confirmed, none is lost.

mod ends;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use nestrs::microservices::ClientProxy;
use nestrs::{RunningApp, Sent};
use nestrs_brokers::{Broker, Nats, Redis};

use super::Broken;
use super::faults::SLACK;
use super::traffic::{Findings, Traffic};
use crate::process::eventually;
use crate::report::Report;
use crate::settings::Settings;
use ends::{Ends, Handled, Kind};

/// How long an `emit` may take.
const TIMEOUT: Duration = Duration::from_secs(3);
/// By when every event is handled. One whose service was lost with it comes again after some seconds; and where the NATS server
/// has lost a consumer, as it may when it is killed, all of the stream comes again before it.
const HANDLED: Duration = Duration::from_secs(180);

/// How a broker is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Loss {
    Stopped,
    Killed,
    Frozen,
}

pub(in crate::scenarios) async fn run(settings: Settings) -> Result<Report, Broken> {
    let (nats, redis) =
        tokio::join!(Broker::start_or_skip(Nats::new().jetstream()), Broker::start_or_skip(Redis::new().durable()),);
    if nats.is_none() && redis.is_none() {
        return Ok(Report::skipped("there are neither `nats-server` nor `redis-server`"));
    }
    let (nats, redis) = tokio::join!(broker(&settings, Kind::JetStream, nats), broker(&settings, Kind::Streams, redis));
    let mut report = Report::default();
    report.figure("cycles", settings.rounds(2, 100));
    report.absorb_part("jetstream", nats?);
    report.absorb_part("streams", redis?);
    Ok(report)
}

/// What is there while a broker comes and goes.
struct Story {
    ends: Ends,
    broker: Broker,
    client: ClientProxy,
    settings: Settings,
    rng: fastrand::Rng,
    report: Report,
    sum: Sum,
}

/// What all cycles have come to.
#[derive(Debug, Default)]
struct Sum {
    confirmed: usize,
    lost: usize,
    refused: usize,
    doubtful: usize,
    doubtful_handled: usize,
    again: u32,
    slowest: Duration,
}

async fn broker(settings: &Settings, kind: Kind, broker: Option<Broker>) -> Result<Report, Broken> {
    let Some(broker) = broker else {
        let mut report = Report::default();
        report.figure(kind.name(), "skipped");
        return Ok(report);
    };
    let ends = Ends::new(kind, &broker.address());
    let client = ends.client();
    let rng = settings.rng(kind.name());
    let mut story =
        Story { ends, broker, client, settings: settings.clone(), rng, report: Report::default(), sum: Sum::default() };
    let mut app = story.ends.serve().await?;
    for _ in 0..settings.rounds(2, 100) {
        for loss in [Loss::Stopped, Loss::Killed, Loss::Frozen] {
            app = story.lose(loss, app).await.map_err(|broken| format!("{}, {loss:?}: {broken}", kind.name()))?;
        }
    }
    app.close().await;
    Ok(story.end(kind.name()).await)
}

impl Story {
    /// One loss, and then one service that ends and another that takes its place.
    async fn lose(&mut self, loss: Loss, app: RunningApp) -> Result<RunningApp, Broken> {
        let traffic = events(&self.client, self.rng.u64(..));
        tokio::time::sleep(Duration::from_millis(self.rng.u64(200..400))).await;
        match loss {
            Loss::Stopped => self.broker.stop().await?,
            Loss::Killed => self.broker.kill().await?,
            Loss::Frozen => self.broker.pause().await?,
        }
        let outage = match loss {
            Loss::Frozen => self.settings.pick(Duration::from_millis(1500), Duration::from_secs(15)),
            _ => Duration::from_millis(self.rng.u64(200..900)),
        };
        tokio::time::sleep(outage).await;
        match loss {
            Loss::Frozen => self.broker.resume().await?,
            _ => self.broker.restart().await?,
        }
        tokio::time::sleep(Duration::from_millis(self.rng.u64(500..2500))).await;
        let before = app.get::<Handled>().ok_or("it is a provider")?;
        app.close().await;
        let app = self.ends.serve().await?;
        let now = app.get::<Handled>().ok_or("it is a provider")?;
        tokio::time::sleep(Duration::from_millis(self.rng.u64(200..400))).await;
        let found = traffic.end().await?;
        self.judge(loss, &found, &[before, now]).await;
        Ok(app)
    }

    /// None lost that was confirmed, none handled of which its emitter was told that it was not sent.
    async fn judge(&mut self, loss: Loss, found: &Found, services: &[Arc<Handled>]) {
        let times = || {
            let mut times: HashMap<u64, u32> = HashMap::new();
            for (nonce, count) in services.iter().flat_map(|service| service.all()) {
                *times.entry(nonce).or_default() += count;
            }
            times
        };
        let missing = |times: &HashMap<u64, u32>| found.confirmed.iter().filter(|it| !times.contains_key(it)).count();
        let began = Instant::now();
        _ = eventually(HANDLED, async || missing(&times()) == 0).await;
        self.sum.slowest = self.sum.slowest.max(began.elapsed());
        let times = times();
        let lost = missing(&times);
        let said = if lost > 0 { self.ends.seen_by_the_broker().await } else { String::new() };
        self.report.check("br_6", lost == 0, || {
            let of = found.confirmed.len();
            format!("{lost} of {of} confirmed events were not handled when it was {loss:?}; the broker says {said}")
        });
        self.report.check("br_6", !found.confirmed.is_empty(), || format!("none was confirmed around {loss:?}"));
        let lies = found.refused.iter().filter(|nonce| times.contains_key(nonce)).count();
        self.report.check("cl_3", lies == 0, || format!("{lies} events with `sent = No` were handled"));
        let slow = found.slowest;
        self.report.check("cl_6", found.hung == 0 && slow < TIMEOUT + SLACK, || {
            format!("{} events hang, and one took {slow:.1?}", found.hung)
        });
        self.sum.confirmed += found.confirmed.len();
        self.sum.lost += lost;
        self.sum.refused += found.refused.len();
        self.sum.doubtful += found.doubtful.len();
        self.sum.doubtful_handled += found.doubtful.iter().filter(|nonce| times.contains_key(nonce)).count();
        self.sum.again += times.values().map(|times| times - 1).sum::<u32>();
        for service in services {
            service.forget();
        }
    }

    async fn end(self, name: &str) -> Report {
        let Self { mut report, sum, client, .. } = self;
        client.close().await;
        report.figure(&format!("{name}_confirmed"), sum.confirmed);
        report.figure(&format!("{name}_confirmed_lost"), sum.lost);
        report.figure(&format!("{name}_not_sent"), sum.refused);
        report.figure(&format!("{name}_maybe_sent"), sum.doubtful);
        report.figure(&format!("{name}_maybe_sent_and_handled"), sum.doubtful_handled);
        report.figure(&format!("{name}_handled_again"), sum.again);
        report.figure(&format!("{name}_all_handled_after"), format!("{:.1?}/{HANDLED:?}", sum.slowest));
        report
    }
}

/// What emitters were told.
#[derive(Debug, Default)]
struct Found {
    confirmed: HashSet<u64>,
    /// Events with `sent = No`.
    refused: HashSet<u64>,
    /// All that failed otherwise: the broker may have them.
    doubtful: HashSet<u64>,
    /// Those whose `emit` did not return.
    hung: usize,
    slowest: Duration,
}

/// Of one event; `None` where `emit` has not returned.
type Told = Option<(u64, Duration, Result<(), Option<Sent>>)>;

impl Findings for Found {
    type One = Told;

    fn take(&mut self, told: Result<Told, tokio::task::JoinError>) {
        let Ok(Some((nonce, took, outcome))) = told else {
            self.hung += 1;
            return;
        };
        self.slowest = self.slowest.max(took);
        let set = match outcome {
            Ok(()) => &mut self.confirmed,
            Err(Some(Sent::No)) => &mut self.refused,
            Err(_) => &mut self.doubtful,
        };
        set.insert(nonce);
    }
}

fn events(client: &ClientProxy, seed: u64) -> Traffic<Found> {
    let (client, mut rng) = (client.with_timeout(TIMEOUT), fastrand::Rng::with_seed(seed));
    Traffic::begin(move || {
        let (client, nonce) = (client.clone(), rng.u64(..));
        async move {
            let began = Instant::now();
            let emitted = tokio::time::timeout(TIMEOUT * 3, client.emit(ends::PATTERN, &nonce)).await.ok()?;
            Some((nonce, began.elapsed(), emitted.map_err(|error| error.sent())))
        }
    })
}
