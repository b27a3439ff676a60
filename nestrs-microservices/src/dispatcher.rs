//! From an inbound message to its answer: look up, run, fence off panics.

use std::any::Any;
use std::borrow::Cow;
use std::fmt;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use nestrs_core::log_limit::LogLimit;
use nestrs_core::{
    Application, BoxFuture, ContextKind, Ending, ErrorKind, ExecutionContext, HandlerKind, HandlerResult, Metadata,
    Payload, Reply, ReplyStream, Route, TransportError,
    spans::{PeerText, Timed},
};
use serde_json::{Value, json};

use crate::context::Cancellation;
use crate::deadline::{self, timed_out};
use crate::net::registry::Counters;
use crate::packet::Answer;
use crate::route_table::{RouteEntry, RouteTable};
use crate::serving::Serving;

/// The member of a packet's metadata in which a caller may say how long it waits, in milliseconds from the receipt of the
/// packet. The handler is dropped then, unless it is marked `#[run_to_completion]`, and answered for with "Request timed
/// out"; a call that is late already is not started. Anything but a whole number is ignored.
pub const TIMEOUT_METADATA: &str = "nestrs-timeout-ms";

/// Panics of handlers, wherever they are caught. Of the process, as its log is.
static PANICS: LogLimit = LogLimit::per_second(10);
/// Events that nobody handles, and payloads that fit no handler: what peers can send a million times.
static UNHANDLED: LogLimit = LogLimit::per_second(10);
static MISFITS: LogLimit = LogLimit::per_second(10);
/// Of event handlers that take too long.
static LATE: LogLimit = LogLimit::per_second(10);
/// The log is the only place where these are told in full.
static FAILURES: LogLimit = LogLimit::per_second(100);

/// At most this many items of a streaming reply are taken at once before they are handed to the socket.
const STREAM_BUFFER: usize = 16;

/// Runs handlers for every transport of an application. Cheap to clone.
#[derive(Clone)]
pub struct Dispatcher {
    table: Arc<RouteTable>,
    handler_timeout: Option<Duration>,
    /// Of the server it works for.
    counters: Arc<Counters>,
}

/// One message, as a transport hands it over.
#[derive(Debug)]
pub struct Inbound<'a> {
    /// The canonical pattern; `None` when the packet names none that could exist.
    pub route: Option<Cow<'a, str>>,
    /// A request's id, echoed in its answer; `None` makes it an event.
    pub id: Option<Bytes>,
    /// What it carries.
    pub payload: Payload,
    /// What it carries beside that.
    pub metadata: Option<Metadata>,
    /// What the transport knows of the call; handlers read it by [`ExecutionContext::transport`].
    pub transport: Arc<dyn Any + Send + Sync>,
}

/// A call under way: the next packets of its answer, once they are there.
pub struct Call {
    progress: BoxFuture<'static, Progress>,
    runs_on: bool,
}

impl Call {
    fn new(progress: impl Future<Output = Progress> + Send + 'static) -> Self {
        Self { progress: Box::pin(progress), runs_on: false }
    }

    fn running_on(unfinished: BoxFuture<'static, ()>) -> Self {
        let progress = async {
            unfinished.await;
            Progress { id: None, answers: Vec::new(), rest: None }
        };
        Self { runs_on: true, ..Self::new(progress) }
    }

    /// Whether it has been answered, and is a handler on its way to its end (`#[run_to_completion]`): poll it whatever
    /// becomes of the connection. What else follows answers is a stream, which ends where nobody reads it.
    #[must_use]
    pub fn runs_on(&self) -> bool {
        self.runs_on
    }
}

/// What a call has come to.
#[derive(Debug)]
pub struct Progress {
    /// The id to answer under; `None` for an event, whose answers nobody reads.
    pub id: Option<Bytes>,
    /// The packets to send now, in order.
    pub answers: Vec<Answer>,
    /// What follows them, for a streaming reply.
    pub rest: Option<Call>,
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Call")
    }
}

impl Future for Call {
    type Output = Progress;
    fn poll(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Progress> {
        self.progress.as_mut().poll(task)
    }
}

impl Dispatcher {
    /// A dispatcher for the message and event handlers of an application that are for every transport.
    #[must_use]
    pub fn new(application: &Application) -> Self {
        let routes = application.routes.iter().filter(|route| route.kind != HandlerKind::Bus);
        Self::from_routes(routes.filter(|route| route.transports.is_empty()))
    }

    /// A dispatcher for what one server of an application serves.
    #[must_use]
    pub fn serving(application: &Application, serving: &Serving) -> Self {
        let routes = serving.routes(application);
        match serving.wildcards {
            Some(style) => Self::from_table(RouteTable::with_wildcards(routes, style)),
            None => Self::from_routes(routes),
        }
    }

    /// A dispatcher for these routes, each pattern taken as it is.
    #[must_use]
    pub fn from_routes<'a>(routes: impl IntoIterator<Item = &'a Route>) -> Self {
        Self::from_table(RouteTable::new(routes))
    }

    fn from_table(table: RouteTable) -> Self {
        Self { table: Arc::new(table), handler_timeout: None, counters: Arc::default() }
    }

    /// The same, counting what it does for a server.
    pub(crate) fn counting(self, counters: Arc<Counters>) -> Self {
        Self { counters, ..self }
    }

    /// The same, for a server whose handlers may take this long where they do not say themselves; see
    /// [`TcpMicroserviceOptions::handler_timeout`](crate::TcpMicroserviceOptions::handler_timeout). Default `None`: as long as
    /// they like.
    #[must_use]
    pub fn with_handler_timeout(self, handler_timeout: Option<Duration>) -> Self {
        Self { handler_timeout, ..self }
    }

    /// The routes it serves.
    #[must_use]
    pub fn routes(&self) -> &RouteTable {
        &self.table
    }

    /// Runs a request or an event. The future owns all it needs; dropping it drops the handler.
    ///
    /// A request without a handler is answered as NestJS does; an event without one is logged. Kinds are not enforced,
    /// as in NestJS (fact sheet, section 5): an event for a message handler runs it and forgets the result, a request
    /// for event handlers runs them and is answered.
    ///
    /// A deadline in its metadata ([`TIMEOUT_METADATA`]) counts from now.
    #[must_use]
    pub fn dispatch(&self, inbound: Inbound<'_>) -> Call {
        self.dispatch_received(inbound, None)
    }

    /// [`Dispatcher::dispatch`] for what was received a while ago, and has waited for its turn: its deadline counts from
    /// then. `None` is now.
    #[must_use]
    pub fn dispatch_received(&self, inbound: Inbound<'_>, received: Option<Instant>) -> Call {
        let entry = inbound.route.as_deref().and_then(|subject| self.table.find(subject));
        self.start(entry, inbound, received)
    }

    /// Runs a request or an event that a broker has matched itself: `declared` is the pattern it was subscribed to by,
    /// and the route in `inbound` the concrete subject it was sent to. Only handlers under `declared` run, as with
    /// NestJS's NATS and Redis (fact sheet, sections 7 and 8): the broker delivers once for every subscription. It is for
    /// dispatchers without wildcards of their own; one with them runs what else matches `declared` too.
    ///
    /// ```
    /// use nestrs_microservices::{Call, Dispatcher, Inbound};
    ///
    /// /// What `PSUBSCRIBE` hands over: the pattern it was asked for, and the channel that was published to.
    /// fn on_message<'a>(dispatcher: &Dispatcher, subscribed: &str, channel: &'a str, mut inbound: Inbound<'a>) -> Call {
    ///     inbound.route = Some(channel.into());
    ///     dispatcher.dispatch_as(subscribed, inbound)
    /// }
    /// ```
    #[must_use]
    pub fn dispatch_as(&self, declared: &str, inbound: Inbound<'_>) -> Call {
        self.start(self.table.get(declared).cloned(), inbound, None)
    }

    fn start(&self, entry: Option<Arc<RouteEntry>>, inbound: Inbound<'_>, received: Option<Instant>) -> Call {
        let Some(entry) = entry else {
            let is_packet = inbound.id.is_some() || inbound.route.is_some();
            let counter = if is_packet { &self.counters.unknown_patterns } else { &self.counters.ignored_packets };
            counter.add(1);
            return Call::new(std::future::ready(unhandled(inbound)));
        };
        let subject = match inbound.route.as_deref() {
            Some(subject) if *subject != *entry.pattern => Arc::from(subject),
            _ => Arc::clone(&entry.pattern),
        };
        let deadline = inbound.metadata.as_ref().and_then(|metadata| deadline_of(metadata, received));
        let Inbound { id, payload, metadata, transport, .. } = inbound;
        let cx = ExecutionContext::new(ContextKind::Message, subject, payload)
            .with_metadata(metadata)
            .with_deadline(deadline)
            .with_transport(transport);
        Call::new(run(entry, cx, id, self.handler_timeout))
    }
}

impl fmt::Debug for Dispatcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dispatcher").field("routes", &self.table).finish()
    }
}

/// Counted from receipt, so that clocks need not agree.
fn deadline_of(metadata: &Metadata, received: Option<Instant>) -> Option<Instant> {
    let milliseconds = match only_timeout(metadata.text()) {
        Some(milliseconds) => milliseconds,
        None => metadata.get(TIMEOUT_METADATA)?.parse().ok()?,
    };
    received.unwrap_or_else(deadline::now).checked_add(Duration::from_millis(milliseconds))
}

/// The milliseconds in `{"nestrs-timeout-ms":"30000"}`, as our own clients write it: no reason to make a map.
fn only_timeout(json: &[u8]) -> Option<u64> {
    let json = std::str::from_utf8(json).ok()?;
    json.strip_prefix("{\"")?.strip_prefix(TIMEOUT_METADATA)?.strip_prefix("\":\"")?.strip_suffix("\"}")?.parse().ok()
}

fn unhandled(inbound: Inbound<'_>) -> Progress {
    let answers = if inbound.id.is_some() {
        vec![Answer::NoHandler]
    } else {
        UNHANDLED.pass(|suppressed| {
            let suppressed = (suppressed > 0).then_some(suppressed);
            let pattern = PeerText(inbound.route.as_deref().unwrap_or("undefined").as_bytes());
            tracing::warn!(target: "nestrs::call", %pattern, suppressed, "there is no handler for this event; dropped");
        });
        Vec::new()
    };
    Progress { id: inbound.id, answers, rest: None }
}

async fn run(
    entry: Arc<RouteEntry>,
    cx: ExecutionContext,
    id: Option<Bytes>,
    handler_timeout: Option<Duration>,
) -> Progress {
    let is_request = id.is_some();
    let deadline = cx.deadline();
    if deadline.is_some_and(deadline::has_passed) {
        tracing::debug!(target: "nestrs::call", pattern = &*entry.pattern, is_request, "too late when it came; not started");
        let answers = if is_request { vec![Answer::Error(timed_out())] } else { Vec::new() };
        return Progress { id, answers, rest: None };
    }
    // What panics inside its stages is answered for there; this is for what panics when it is dropped half-way.
    let ran = AssertUnwindSafe(answer(&entry, cx, id.as_ref(), handler_timeout)).catch_unwind().await;
    let Ran { outcome, deadline, unfinished } = ran.unwrap_or_else(|panic| {
        let error = TransportError::panicked(&*panic);
        log_failure(&error, "(dropped)", &entry.pattern, is_request);
        Ran { outcome: Err(error), deadline: None, unfinished: None }
    });
    let rest = unfinished.map(Call::running_on);
    match outcome {
        // Also for an event: its items are made, some at a time, and nobody reads them.
        Ok(Reply::Stream(items)) => {
            Stream { items, pattern: Arc::clone(&entry.pattern), deadline }.next(None, id).await
        }
        // What failed has been logged where it failed.
        _ if !is_request => Progress { id, answers: Vec::new(), rest },
        Ok(Reply::Value(payload)) => Progress { id, answers: vec![Answer::Value { payload, last: true }], rest },
        Ok(Reply::Empty) => Progress { id, answers: vec![Answer::End], rest },
        Err(error) => Progress { id, answers: vec![Answer::Error(error)], rest },
    }
}

/// What running handlers has come to.
struct Ran {
    outcome: HandlerResult,
    /// The end of a stream that follows.
    deadline: Option<Instant>,
    /// Handlers that go on though their caller is answered.
    unfinished: Option<BoxFuture<'static, ()>>,
}

/// Runs whoever answers to the pattern; `id` is a request's.
async fn answer(
    entry: &RouteEntry,
    cx: ExecutionContext,
    id: Option<&Bytes>,
    handler_timeout: Option<Duration>,
) -> Ran {
    match (&entry.message, entry.events.as_slice()) {
        (Some(route), _) if id.is_some() => bounded(route, cx, id, handler_timeout).await,
        (Some(route), []) => bounded(route, cx, None, handler_timeout).await,
        (_, [route]) => bounded(route, cx, id, handler_timeout).await,
        (_, routes) => {
            let calls = routes.iter().map(|route| {
                let cx = cx.clone().with_own_extensions();
                async move {
                    let ran = bounded(route, cx, id, handler_timeout).await;
                    let value = last_value(ran.outcome, route.pattern.route());
                    let value = match ran.deadline {
                        None => value.await,
                        Some(deadline) => {
                            deadline::until(deadline, pin!(value)).await.unwrap_or_else(|| Err(timed_out()))
                        }
                    };
                    (value, ran.unfinished)
                }
            });
            let (outcomes, unfinished) = together(calls).await;
            let outcome = if id.is_some() { join(outcomes) } else { Ok(Reply::Empty) };
            Ran { outcome, deadline: None, unfinished }
        }
    }
}

/// Waits for several handlers. One that goes on though its time is over does so meanwhile: it may hold what another needs.
async fn together<T>(
    calls: impl Iterator<Item = impl Future<Output = (T, Option<BoxFuture<'static, ()>>)>>,
) -> (Vec<T>, Option<BoxFuture<'static, ()>>) {
    let mut calls: FuturesUnordered<_> = calls.enumerate().map(|(at, call)| async move { (at, call.await) }).collect();
    let mut outcomes = Vec::with_capacity(calls.len());
    let mut unfinished = FuturesUnordered::new();
    loop {
        tokio::select! {
            biased;
            ended = calls.next() => match ended {
                Some((at, (outcome, running))) => {
                    outcomes.push((at, outcome));
                    unfinished.extend(running);
                }
                None => break,
            },
            Some(()) = unfinished.next() => {}
        }
    }
    outcomes.sort_by_key(|(at, _)| *at);
    let outcomes = outcomes.into_iter().map(|(_, outcome)| outcome).collect();
    let unfinished = (!unfinished.is_empty()).then(|| unfinished.collect::<()>().boxed());
    (outcomes, unfinished)
}

/// Runs one handler for as long as it may run: up to the earlier of its caller's deadline and its own timeout, and with
/// its caller, where it says so.
async fn bounded(route: &Route, cx: ExecutionContext, id: Option<&Bytes>, handler_timeout: Option<Duration>) -> Ran {
    let mut cx = cx.with_route(route);
    if let Some(own) = route.limits.timeout.or(handler_timeout).and_then(|timeout| deadline::now().checked_add(timeout))
    {
        let end = cx.deadline().map_or(own, |deadline| deadline.min(own));
        cx = cx.with_deadline(Some(end));
    }
    let deadline = cx.deadline();
    let mut unfinished = None;
    let outcome = match (route.limits.ending, deadline) {
        (Ending::Completion, Some(deadline)) => {
            match Box::pin(answered_by(deadline, route.clone(), cx, id.cloned())).await {
                Ok(outcome) => outcome,
                Err(running) => {
                    unfinished = Some(running);
                    Err(timed_out())
                }
            }
        }
        (Ending::Disconnect, _) if id.is_some() => Box::pin(with_caller(route, cx, id)).await,
        (_, deadline) => {
            // In one place, with a deadline and without: the future of every call is as large as its largest branch.
            let mut calling = pin!(call(route, cx, id));
            match deadline {
                None => calling.await,
                Some(deadline) => match deadline::until(deadline, calling.as_mut()).await {
                    Some(outcome) => in_time(outcome, deadline),
                    None => Err(dropped_at_deadline(route, id.is_some())),
                },
            }
        }
    };
    Ran { outcome, deadline, unfinished }
}

/// A handler that runs to its end: the future it still is when its caller's time is over.
async fn answered_by(
    deadline: Instant,
    route: Route,
    cx: ExecutionContext,
    id: Option<Bytes>,
) -> Result<HandlerResult, BoxFuture<'static, ()>> {
    let is_request = id.is_some();
    let gone = Cancellation::of(&cx);
    let (handler, pattern) = (route.handler, route.pattern.clone());
    let calling = async move { call(&route, cx, id.as_ref()).await };
    // What it calls does not inherit the deadline: that would end the work which is to be completed.
    let mut calling = Box::pin(calling);
    match tokio::time::timeout_at(deadline.into(), &mut calling).await {
        Ok(outcome) => Ok(outcome),
        // There is nobody to answer, so nothing to do but to go on.
        Err(_) if gone.is_cancelled() => Ok(calling.await),
        Err(_) => {
            let pattern = pattern.route();
            if is_request {
                tracing::debug!(target: "nestrs::call", handler, pattern, "the deadline has passed; the handler runs on");
            } else {
                LATE.pass(|suppressed| {
                    let suppressed = (suppressed > 0).then_some(suppressed);
                    tracing::warn!(
                        target: "nestrs::call", handler, pattern, suppressed, "event handler takes too long; it runs on"
                    );
                });
            }
            Err(Box::pin(async move {
                let outcome = calling.await;
                tracing::debug!(target: "nestrs::call", handler, ok = outcome.is_ok(), "a handler ended after its deadline");
            }))
        }
    }
}

/// A handler that ends with its caller's connection.
async fn with_caller(route: &Route, cx: ExecutionContext, id: Option<&Bytes>) -> HandlerResult {
    let deadline = cx.deadline();
    let gone = Cancellation::of(&cx);
    let calling = async {
        let calling = call(route, cx, id);
        match deadline {
            None => calling.await,
            Some(deadline) => match deadline::until(deadline, pin!(calling)).await {
                Some(outcome) => in_time(outcome, deadline),
                None => Err(dropped_at_deadline(route, true)),
            },
        }
    };
    tokio::select! {
        biased;
        outcome = calling => return outcome,
        () = gone.cancelled() => {}
    }
    let pattern = route.pattern.route();
    tracing::debug!(target: "nestrs::call", handler = route.handler, pattern, "the caller is gone; handler dropped");
    // A server that drops all calls at its end cancels them first, and answers for those that do not answer in this turn.
    tokio::task::yield_now().await;
    Err(TransportError::withheld(ErrorKind::ConnectionClosed, "the caller is gone"))
}

/// What a handler called ends when it does itself, and may be the first to say so: that is the same failure.
fn in_time(outcome: HandlerResult, deadline: Instant) -> HandlerResult {
    match outcome {
        Err(error) if is_late(&error, deadline) => Err(timed_out().with_source(error)),
        outcome => outcome,
    }
}

fn is_late(error: &TransportError, deadline: Instant) -> bool {
    error.kind() == ErrorKind::Timeout && deadline::has_passed(deadline)
}

/// For an event it is a failure of its handler, of which nobody else would hear.
fn dropped_at_deadline(route: &Route, is_request: bool) -> TransportError {
    let (handler, pattern) = (route.handler, route.pattern.route());
    if is_request {
        tracing::debug!(target: "nestrs::call", handler, pattern, "the deadline has passed; handler dropped");
    } else {
        LATE.pass(|suppressed| {
            let suppressed = (suppressed > 0).then_some(suppressed);
            tracing::warn!(
                target: "nestrs::call", handler, pattern, suppressed, "event handler took too long and was dropped"
            );
        });
    }
    timed_out()
}

/// Runs one handler inside its stages and its span; whatever it does, the caller gets an answer.
async fn call(route: &Route, cx: ExecutionContext, id: Option<&Bytes>) -> HandlerResult {
    let span = Timed::call(&cx, id.map(|id| &**id));
    let calling = AssertUnwindSafe(async { route.endpoint.call(&cx, cx.payload().clone()).await });
    let calling = pin!(calling.catch_unwind());
    let outcome = span.drive(calling).await.unwrap_or_else(|panic| Err(TransportError::panicked(&*panic)));
    if let Err(error) = &outcome {
        let ends_in_time = route.limits.ending != Ending::Completion;
        span.enter(|| match cx.deadline() {
            // It has not failed: what it waited for ended with it.
            Some(deadline) if ends_in_time && is_late(error, deadline) => _ = dropped_at_deadline(route, id.is_some()),
            _ => log_failure(error, cx.handler(), cx.declared_pattern(), id.is_some()),
        });
    }
    span.end_reply(outcome)
}

/// What is withheld from the caller goes to the log; what the application said is the caller's business.
pub(crate) fn log_failure(error: &TransportError, handler: &str, pattern: &str, is_request: bool) {
    if error.is_panic() {
        // A panic a peer can cause it can cause a million times.
        PANICS.pass(|suppressed| {
            let suppressed = (suppressed > 0).then_some(suppressed);
            let error = error.message_for_log();
            tracing::error!(target: "nestrs::call", handler, pattern, error, suppressed, "handler failed");
        });
    } else if error.is_withheld() {
        FAILURES.pass(|suppressed| {
            let (error, source) = (error.message_for_log(), error.cause_for_log());
            let suppressed = (suppressed > 0).then_some(suppressed);
            tracing::error!(target: "nestrs::call", handler, pattern, error, source, suppressed, "handler failed");
        });
    } else if error.kind() == ErrorKind::InvalidPayload {
        // Its text quotes the payload.
        MISFITS.pass(|suppressed| {
            let suppressed = (suppressed > 0).then_some(suppressed);
            let reason = error.misfit_for_log();
            tracing::warn!(
                target: "nestrs::call", handler, pattern, reason, suppressed, "the payload does not fit the handler"
            );
        });
        tracing::trace!(target: "nestrs::call", handler, pattern, %error, "what does not fit");
    } else if is_request {
        let error = LogText(error);
        tracing::debug!(target: "nestrs::call", handler, pattern, %error, "handler answered with an error");
    } else {
        FAILURES.pass(|suppressed| {
            let (error, suppressed) = (error.message_for_log(), (suppressed > 0).then_some(suppressed));
            tracing::warn!(target: "nestrs::call", handler, pattern, error, suppressed, "event handler failed");
        });
    }
}

/// Made only when it is written: errors that callers are told are ordinary.
struct LogText<'a>(&'a TransportError);

impl fmt::Display for LogText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.message_for_log())
    }
}

/// A panic becomes one error reply.
pub(crate) fn panicked(panic: &(dyn Any + Send)) -> TransportError {
    TransportError::panicked(panic)
}

/// What one of several event handlers came to: `Ok(None)` when it gave no value at all, as an empty Observable does;
/// an inner `None` is NestJS's `undefined`.
type LastValue = Result<Option<Option<Value>>, TransportError>;

/// Runs a handler's stream to its end.
async fn last_value(outcome: HandlerResult, pattern: &str) -> LastValue {
    let mut items = match outcome? {
        Reply::Value(payload) => return Ok(Some(Some(payload.into_value()?))),
        Reply::Empty => return Ok(Some(None)),
        Reply::Stream(items) => items,
    };
    let mut last = None;
    let mut taken = 0;
    while let Some(item) = fenced_next(&mut items).await {
        let item = item.inspect_err(|error| log_failure(error, "(stream)", pattern, false))?;
        last = Some(Some(item.into_value()?));
        taken += 1;
        if taken % STREAM_BUFFER == 0 {
            tokio::task::yield_now().await;
        }
    }
    Ok(last)
}

/// What NestJS answers to a request that several event handlers take: their last values, nested two by two, after all
/// have run; the first error, if any failed; nothing, if any gave no value at all.
fn join(outcomes: Vec<LastValue>) -> HandlerResult {
    let values: Option<Vec<Option<Value>>> = outcomes.into_iter().collect::<Result<_, _>>()?;
    let Some(values) = values else { return Ok(Reply::Empty) };
    let joined = values.into_iter().rev().reduce(|next, current| {
        let mut pair = serde_json::Map::new();
        pair.extend(current.map(|current| ("current".to_owned(), current)));
        pair.extend(next.map(|next| ("next".to_owned(), next)));
        Some(Value::Object(pair))
    });
    Ok(Reply::Value(Payload::from_value(joined.flatten().unwrap_or_else(|| json!({})))))
}

type Item = Result<Payload, TransportError>;

/// A streaming reply under way.
struct Stream {
    items: ReplyStream,
    pattern: Arc<str>,
    deadline: Option<Instant>,
}

impl Stream {
    /// Takes the items that are ready; waits for the first only. The end rides on the last item when both are ready
    /// together, and comes alone otherwise, as in NestJS.
    fn next(self, first: Option<Item>, id: Option<Bytes>) -> BoxFuture<'static, Progress> {
        Box::pin(self.take(first, id))
    }

    async fn take(mut self, first: Option<Item>, id: Option<Bytes>) -> Progress {
        let mut answers = Vec::new();
        let mut next = match first {
            Some(first) => Some(first),
            None => self.in_time().await,
        };
        loop {
            match next {
                // Taken one too early, to see whether the one before it was the last.
                Some(item) if answers.len() + 1 == STREAM_BUFFER => {
                    let rest = Some(Call::new(self.next(Some(item), id.clone())));
                    return Progress { id, answers, rest };
                }
                Some(Ok(payload)) => answers.push(Answer::Value { payload, last: false }),
                Some(Err(error)) => {
                    log_failure(&error, "(stream)", &self.pattern, id.is_some());
                    answers.push(Answer::Error(error));
                    return Progress { id, answers, rest: None };
                }
                None => {
                    match answers.last_mut() {
                        Some(Answer::Value { last, .. }) => *last = true,
                        _ => answers.push(Answer::End),
                    }
                    return Progress { id, answers, rest: None };
                }
            }
            match self.in_time().now_or_never() {
                Some(ready) => next = ready,
                None => {
                    let rest = Some(Call::new(self.next(None, id.clone())));
                    return Progress { id, answers, rest };
                }
            }
        }
    }

    /// The next item, or the error that ends the stream at its deadline.
    async fn in_time(&mut self) -> Option<Item> {
        match self.deadline {
            None => fenced_next(&mut self.items).await,
            Some(deadline) if deadline::has_passed(deadline) => Some(Err(timed_out())),
            Some(deadline) => deadline::until(deadline, pin!(fenced_next(&mut self.items)))
                .await
                .unwrap_or_else(|| Some(Err(timed_out()))),
        }
    }
}

/// The next item; a panic while making it is the last one.
async fn fenced_next(items: &mut ReplyStream) -> Option<Result<Payload, TransportError>> {
    AssertUnwindSafe(items.next()).catch_unwind().await.unwrap_or_else(|panic| Some(Err(panicked(&*panic))))
}
