//! What runs for a pattern or a path, for people to read.

use std::fmt;
use std::sync::Arc;

use nestrs_core::{Application, Chain, HandlerKind, TransportId};

/// One thing that an application serves: what it answers to, its handler, and the chain of stages around that.
#[derive(Clone, Debug)]
pub struct Explained {
    /// `message`, `event`, `bus event`, or the verb of an HTTP route.
    kind: &'static str,
    /// The pattern, or the path with its verb.
    address: String,
    handler: &'static str,
    /// The transports it is for; empty for all.
    transports: &'static [TransportId],
    chain: Arc<Chain>,
}

impl Explained {
    /// An HTTP route: `GET /math/sum`.
    #[cfg(feature = "http")]
    pub(crate) fn new(address: String, handler: &'static str, chain: Chain) -> Self {
        Self { kind: "", address, handler, transports: &[], chain: Arc::new(chain) }
    }

    /// The pattern, canonical, or `GET /math/sum`.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// `Type::method`.
    #[must_use]
    pub fn handler(&self) -> &'static str {
        self.handler
    }

    /// The stages around it, in the order in which a call meets them.
    #[must_use]
    pub fn chain(&self) -> &Chain {
        &self.chain
    }

    pub(crate) fn answers(&self, address: &str) -> bool {
        self.address == address
    }
}

/// `message math.add → Math::add: guard TokenGuard (method) → handler`
impl fmt::Display for Explained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.kind.is_empty() {
            write!(f, "{} ", self.kind)?;
        }
        write!(f, "{} → {}", self.address, self.handler)?;
        if !self.transports.is_empty() {
            let names: Vec<&str> = self.transports.iter().map(|transport| transport.as_str()).collect();
            write!(f, " ({} only)", names.join(", "))?;
        }
        if self.chain.is_empty() { Ok(()) } else { write!(f, ": {}", self.chain) }
    }
}

/// The message, event and bus handlers of an application.
pub(crate) fn messages(application: &Application) -> Vec<Explained> {
    let explained = application.routes.iter().map(|route| Explained {
        kind: match route.kind {
            HandlerKind::Message => "message",
            HandlerKind::Event => "event",
            HandlerKind::Bus => "bus event",
        },
        address: route.pattern.to_string(),
        handler: route.handler,
        transports: route.transports,
        chain: Arc::clone(&route.chain),
    });
    explained.collect()
}
