//! The spans of the framework. Names and targets are constants, so that filters, dashboards and tests can rely on them.
//!
//! | span | level, target | around | fields |
//! |---|---|---|---|
//! | `connection` | info, `nestrs::tcp` | the task of one accepted connection | `transport`, `connection`, `peer_addr` |
//! | `call` | debug, `nestrs::call` | one handler with its stages, to the end of a stream | `pattern`, `handler`, `kind`, `id`, and at its end `outcome`, `elapsed_us` |
//! | `request` | debug, `nestrs::http` | one HTTP request | `method`, `path`, `peer_addr`, and at its end `outcome`, `elapsed_us` |
//! | `client_call` | debug, `nestrs::client` | one call to another service | `client`, `pattern`, `kind`, and at its end `outcome`, `elapsed_us` |
//!
//! What a call costs while its span is off: one comparison with the level that is on, and an empty pointer in its future.

use std::fmt::{self, Write};
use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use futures_core::Stream;
use tracing::field::{Empty, Value, debug, display};
use tracing::instrument::Instrumented;
use tracing::level_filters::LevelFilter;
use tracing::{Instrument, Level, Span};

use crate::context::ExecutionContext;
use crate::error::TransportError;
use crate::reply::{HandlerResult, Reply, ReplyStream};

/// The most characters of a string that a peer chose, such as a pattern or an id, in a log.
const PEER_TEXT_MAX: usize = 128;

/// A peer's string, made fit for a log: escaped, and cut to 128 characters.
#[derive(Clone, Copy, Debug)]
pub struct PeerText<'a>(pub &'a [u8]);

impl fmt::Display for PeerText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A character has at most four bytes.
        let text = String::from_utf8_lossy(&self.0[..self.0.len().min(4 * PEER_TEXT_MAX)]);
        let mut room = PEER_TEXT_MAX;
        for char in text.chars() {
            let plain = matches!(char, '"' | '\'');
            let len = if plain { 1 } else { char.escape_debug().len() };
            if len > room {
                return f.write_char('…');
            }
            room -= len;
            if plain { f.write_char(char)? } else { char.escape_debug().fmt(f)? }
        }
        Ok(())
    }
}

/// The span of one accepted connection.
#[must_use]
pub fn connection(transport: &'static str, connection: u64, peer_addr: Option<SocketAddr>) -> Span {
    let peer_addr = peer_addr.map(display);
    tracing::info_span!(target: "nestrs::tcp", "connection", transport, connection, peer_addr)
}

/// Something that takes a while, has a span, and ends in one way or another. Dropped before its end, it ends as
/// `"dropped"`.
///
/// `None` while its level is off: a call holds, moves and drops a pointer, and asks it once for each poll.
#[derive(Debug)]
pub struct Timed(Option<Box<Open>>);

/// A span that is on.
#[derive(Debug)]
struct Open {
    span: Span,
    /// `None` when the end has been recorded.
    started: Option<Instant>,
}

impl Timed {
    /// Makes the span if its level may be on, which is one load and a comparison.
    #[inline]
    fn new(level: Level, span: impl FnOnce() -> Span) -> Self {
        if LevelFilter::current() < level {
            return Self(None);
        }
        let span = span();
        Self((!span.is_disabled()).then(|| Box::new(Open { span, started: Some(Instant::now()) })))
    }

    /// The span of one handler's run; `id` makes it a request.
    #[inline]
    #[must_use]
    pub fn call(cx: &ExecutionContext, id: Option<&[u8]>) -> Self {
        Self::new(Level::DEBUG, || {
            tracing::debug_span!(
                target: "nestrs::call",
                "call",
                pattern = cx.pattern(),
                handler = cx.handler(),
                kind = if id.is_some() { "request" } else { "event" },
                id = id.map(|id| display(PeerText(id))),
                outcome = Empty,
                elapsed_us = Empty,
            )
        })
    }

    /// The span of one HTTP request. The query of its path is a payload: leave it out.
    #[must_use]
    pub fn request(method: &str, path: &str, peer_addr: Option<SocketAddr>) -> Self {
        Self::new(Level::DEBUG, || {
            tracing::debug_span!(
                target: "nestrs::http",
                "request",
                method = %PeerText(method.as_bytes()),
                path = %PeerText(path.as_bytes()),
                peer_addr = peer_addr.map(display),
                outcome = Empty,
                elapsed_us = Empty,
            )
        })
    }

    /// The span of one call to another service; `kind` is `"send"` or `"emit"`.
    #[inline]
    #[must_use]
    pub fn client_call(client: &str, pattern: &str, kind: &'static str) -> Self {
        Self::new(Level::DEBUG, || {
            tracing::debug_span!(
                target: "nestrs::client",
                "client_call",
                client,
                pattern = %PeerText(pattern.as_bytes()),
                kind,
                outcome = Empty,
                elapsed_us = Empty,
            )
        })
    }

    /// A future, run inside the span.
    #[inline]
    pub fn around<F: Future>(&self, future: F) -> Instrumented<F> {
        future.instrument(self.0.as_ref().map_or_else(Span::none, |open| open.span.clone()))
    }

    /// Runs a future inside the span, in its place: without a span it costs one comparison for each poll. (What is
    /// logged by dropping it half-way has the connection's span, and not this one.)
    #[inline]
    pub fn drive<F: Future>(&self, mut future: Pin<&mut F>) -> impl Future<Output = F::Output> {
        poll_fn(move |task| self.enter(|| future.as_mut().poll(task)))
    }

    /// Runs something short inside the span.
    #[inline]
    pub fn enter<T>(&self, short: impl FnOnce() -> T) -> T {
        let _entered = self.0.as_ref().map(|open| open.span.enter());
        short()
    }

    /// Records how it ended: `"ok"`, or the kind of the error.
    #[inline]
    pub fn end<T>(&mut self, outcome: &Result<T, TransportError>) {
        match outcome {
            Ok(_) => self.end_as(&"ok"),
            Err(error) => self.end_as(&debug(error.kind())),
        }
    }

    /// Records how it ended, in a word. Only the first end counts.
    #[inline]
    pub fn end_as(&mut self, outcome: &dyn Value) {
        if let Some(open) = &mut self.0 {
            open.record(outcome);
        }
    }

    /// Records the end of a handler's run; that of one which answers by a stream comes with the stream's.
    #[inline]
    pub fn end_reply(self, outcome: HandlerResult) -> HandlerResult {
        if self.0.is_none() { outcome } else { self.end_open(outcome) }
    }

    #[cold]
    fn end_open(mut self, outcome: HandlerResult) -> HandlerResult {
        match outcome {
            Ok(Reply::Stream(items)) => Ok(Reply::Stream(Box::pin(InSpan { items, timed: self }))),
            outcome => {
                self.end(&outcome);
                outcome
            }
        }
    }
}

impl Open {
    #[cold]
    fn record(&mut self, outcome: &dyn Value) {
        let Some(started) = self.started.take() else { return };
        self.span.record("outcome", outcome);
        self.span.record("elapsed_us", u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX));
    }
}

impl Drop for Timed {
    #[inline]
    fn drop(&mut self) {
        self.end_as(&"dropped");
    }
}

/// The items of a streaming reply, each made inside the span of its call.
struct InSpan {
    items: ReplyStream,
    timed: Timed,
}

impl Stream for InSpan {
    type Item = <ReplyStream as Stream>::Item;
    fn poll_next(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Self { items, timed } = &mut *self;
        let next = timed.enter(|| items.as_mut().poll_next(task));
        match &next {
            Poll::Ready(None) => timed.end_as(&"ok"),
            Poll::Ready(Some(item @ Err(_))) => timed.end(item),
            _ => {}
        }
        next
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.items.size_hint()
    }
}
