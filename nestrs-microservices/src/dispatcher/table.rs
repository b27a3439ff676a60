//! The handlers of an application, or of one of its servers, and which of them a message is for.

use std::any::Any;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use nestrs_core::log_limit::LogLimit;
use nestrs_core::{Application, HandlerKind, Pattern, Route, spans::PeerText};

use super::answers::Answers;
use super::call::{Call, EventFailure, Progress};
use super::inbound::{Inbound, deadline_of};
use super::place::Beginning;
use super::spare::OwnContext;
use crate::context::ConnectionContext;
use crate::net::registry::Counters;
use crate::packet::{Answer, Packet, UsualPacket};
use crate::route_table::{RouteEntry, RouteTable};
use crate::serving::Serving;

/// Events that nobody handles: what a peer can send a million times.
static UNHANDLED: LogLimit = LogLimit::per_second(10);

/// Runs handlers for every transport of an application. Cheap to clone.
#[derive(Clone)]
pub struct Dispatcher {
    table: Arc<RouteTable>,
    handler_timeout: Option<Duration>,
    /// Of the server it works for.
    counters: Arc<Counters>,
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
    ///
    /// [`TIMEOUT_METADATA`]: crate::TIMEOUT_METADATA
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

    /// [`Dispatcher::dispatch_received`] for a packet as it usually comes, of a pattern that is written as it was declared;
    /// any other frame is given back. Nearly every call begins here: its pattern is looked up where it stands, and what is
    /// kept of it are its payload and its id.
    #[inline]
    pub(crate) fn dispatch_frame(
        &self,
        frame: Bytes,
        transport: &Arc<ConnectionContext>,
        received: Instant,
    ) -> Result<Call, Bytes> {
        let Some(packet) = UsualPacket::read(&frame) else { return Err(frame) };
        let Some(entry) = self.table.find_text(packet.pattern()) else { return Err(frame) };
        let metadata = packet.metadata(&frame);
        let deadline = metadata.as_ref().and_then(|metadata| deadline_of(metadata, Some(received)));
        let mut cx = OwnContext::blank();
        cx.renew(Arc::clone(&entry.pattern), packet.payload(&frame), metadata, deadline, Arc::clone(transport) as _);
        let id = packet.id_len().map(|len| UsualPacket::id(frame, len));
        Ok(Call::begin(Beginning { entry: Arc::clone(entry), cx, handler_timeout: self.handler_timeout }, id))
    }

    /// [`Dispatcher::dispatch_received`] for a packet as it was read, of which it takes all but the pattern.
    pub(crate) fn dispatch_packet(
        &self,
        packet: &mut Packet,
        transport: Arc<dyn Any + Send + Sync>,
        received: Instant,
    ) -> Call {
        let (pattern, id) = (packet.pattern.as_deref(), packet.id.take());
        let (payload, metadata) = (std::mem::take(&mut packet.payload), packet.metadata.take());
        let known = pattern.and_then(|json| self.table.find_text(json)).cloned();
        // A declared text is found as bytes; only another one is looked at as text.
        let route = match known {
            Some(_) => None,
            None => pattern.and_then(|json| std::str::from_utf8(json).ok()).and_then(Pattern::route_of),
        };
        let entry = known.or_else(|| self.table.find(route.as_deref()?));
        self.start(entry, Inbound { route, id, payload, metadata, transport }, Some(received))
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
        let mut cx = OwnContext::blank();
        cx.renew(subject, payload, metadata, deadline, transport);
        Call::begin(Beginning { entry, cx, handler_timeout: self.handler_timeout }, id)
    }
}

impl fmt::Debug for Dispatcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dispatcher").field("routes", &self.table).finish()
    }
}

fn unhandled(inbound: Inbound<'_>) -> Progress {
    let answers = if inbound.id.is_some() {
        Answers::one(Answer::NoHandler)
    } else {
        UNHANDLED.pass(|suppressed| {
            let suppressed = (suppressed > 0).then_some(suppressed);
            let pattern = PeerText(inbound.route.as_deref().unwrap_or("undefined").as_bytes());
            tracing::warn!(target: "nestrs::call", %pattern, suppressed, "there is no handler for this event; dropped");
        });
        Answers::none()
    };
    let failed = inbound.id.is_none().then_some(EventFailure::UNHANDLED);
    Progress { id: inbound.id, answers, rest: None, failed }
}
