//! One step of a message's way by itself.

use std::borrow::Cow;
use std::fmt;
use std::hint::black_box;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::{Bytes, BytesMut};
use nestrs_core::{
    BoxFuture, Endpoint, ExecutionContext, Extras, HandlerKind, HandlerLimits, HandlerResult, Pattern, Payload, Reply,
    Route,
};
use nestrs_microservices::net::codec::NestDecoder;
use nestrs_microservices::{Answer, Dispatcher, Inbound, Packet, RouteTable};

use crate::IN_FLIGHT;
use crate::server::runtime;
use crate::service::AppModule;
use crate::wire::frame;

/// Frames to be found in what was read.
#[derive(Debug)]
pub struct Frames {
    reads: Vec<BytesMut>,
}

impl Frames {
    /// So many reads, of so many frames each.
    #[must_use]
    pub fn new(body: &str, at_once: usize, reads: usize) -> Self {
        let read = || BytesMut::from(&frame(body).repeat(at_once)[..]);
        Self { reads: (0..reads).map(|_| read()).collect() }
    }

    /// Finds them all, and says how many there are.
    ///
    /// # Panics
    /// When something is no frame.
    #[must_use]
    pub fn decode(mut self) -> usize {
        let mut decoder = NestDecoder::new(64 * 1024 * 1024);
        let mut found = 0;
        for read in &mut self.reads {
            while let Some(body) = decoder.decode(read).expect("frames") {
                drop(black_box(body));
                found += 1;
            }
        }
        found
    }
}

/// Reads one packet so many times.
///
/// # Panics
/// When it is none.
pub fn read_packets(body: &Bytes, times: usize) {
    for _ in 0..times {
        drop(black_box(Packet::read(black_box(body)).expect("a packet")));
    }
}

/// Writes one reply so many times, each behind the last, sixteen at a time.
pub fn write_replies(answer: &Answer, times: usize) {
    let mut out = Vec::new();
    for at in 0..times {
        if at % IN_FLIGHT == 0 {
            out.clear();
        }
        black_box(answer).write_frame(black_box(&mut out), br#""1f2e3d4c5b6a798081726""#);
    }
}

/// A table of routes, and a pattern as it comes over the wire.
#[derive(Debug)]
pub struct Routes {
    table: RouteTable,
    subject: &'static str,
}

struct Nothing;

impl Endpoint for Nothing {
    fn call<'a>(&'a self, _cx: &'a ExecutionContext, _payload: &'a Payload) -> BoxFuture<'a, HandlerResult> {
        Box::pin(async { Ok(Reply::Empty) })
    }
}

impl Routes {
    /// A table of so many.
    #[must_use]
    pub fn new(count: usize) -> Self {
        let endpoint: Arc<dyn Endpoint> = Arc::new(Nothing);
        let route = |number: usize| Route {
            metadata: None,
            chain: Arc::default(),
            pattern: Pattern::from(&format!("orders.{number}.find")),
            kind: HandlerKind::Message,
            handler: "Nothing",
            transports: &[],
            extras: Extras::default(),
            limits: HandlerLimits::default(),
            endpoint: Arc::clone(&endpoint),
        };
        let routes: Vec<_> = (0..count).map(route).collect();
        Self { table: RouteTable::new(&routes), subject: r#""orders.7.find""# }
    }

    /// Makes a route of the pattern and looks it up, so many times.
    ///
    /// # Panics
    /// When there is none.
    pub fn look_up(&self, times: usize) {
        for _ in 0..times {
            let subject = Pattern::route_of(black_box(self.subject)).expect("a pattern");
            drop(black_box(self.table.find(&subject).expect("it is there")));
        }
    }
}

/// A dispatcher, and a call for it.
pub struct Calls {
    dispatcher: Dispatcher,
    route: &'static str,
    id: Bytes,
    payload: Payload,
    context: Arc<()>,
}

impl Calls {
    /// Calls of one handler of the service.
    ///
    /// # Panics
    /// When the service cannot be built.
    #[must_use]
    pub fn of(route: &'static str) -> Self {
        let root = <AppModule as nestrs_core::Module>::define();
        let application = runtime().block_on(nestrs_core::boot(root, nestrs_core::BootOptions::default()));
        Self {
            dispatcher: Dispatcher::new(&application.expect("nothing is missing")),
            route,
            id: Bytes::from_static(br#""5f1ab60a33c4a5b2e0d11""#),
            payload: Payload::from_json(Bytes::from_static(b"[1,2,3,4,5]")),
            context: Arc::new(()),
        }
    }

    /// Dispatches so many.
    ///
    /// # Panics
    /// When one is not done at once, or has no answer.
    pub fn dispatch(&self, times: usize) {
        let mut task = Context::from_waker(Waker::noop());
        for _ in 0..times {
            let mut call = self.dispatcher.dispatch(Inbound {
                route: Some(Cow::Borrowed(black_box(self.route))),
                id: Some(self.id.clone()),
                payload: self.payload.clone(),
                metadata: None,
                transport: Arc::clone(&self.context) as _,
            });
            let Poll::Ready(progress) = Future::poll(Pin::new(&mut call), &mut task) else {
                panic!("these handlers wait for nothing")
            };
            assert_eq!(black_box(progress).answers.len(), 1);
        }
    }
}

impl fmt::Debug for Calls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Calls")
    }
}
