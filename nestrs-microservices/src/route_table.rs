//! Pattern → handlers: one for a request, any number for an event. Built once, at boot.

use std::collections::HashMap;
use std::sync::Arc;

use nestrs_core::{HandlerKind, Route};

/// Every route of an application.
///
/// The map is std's, keyed by a random secret: patterns on the wire are chosen by peers.
#[derive(Debug, Default)]
pub struct RouteTable {
    entries: HashMap<Box<str>, Arc<RouteEntry>>,
}

/// What answers to one pattern.
#[derive(Clone, Debug)]
pub struct RouteEntry {
    /// The pattern, canonical.
    pub pattern: Arc<str>,
    /// Who answers a request.
    pub message: Option<Route>,
    /// Who gets an event, in the order of declaration.
    pub events: Vec<Route>,
}

impl RouteTable {
    /// The table of the routes of one or two kinds: message and event handlers for a transport, subscribers for the
    /// bus.
    #[must_use]
    pub fn new<'a>(routes: impl IntoIterator<Item = &'a Route>) -> Self {
        let mut entries: HashMap<Box<str>, RouteEntry> = HashMap::new();
        for route in routes {
            let entry = entries.entry(route.pattern.route().into()).or_insert_with(|| RouteEntry {
                pattern: route.pattern.route().into(),
                message: None,
                events: Vec::new(),
            });
            match route.kind {
                // Boot has refused a second one.
                HandlerKind::Message => entry.message = Some(route.clone()),
                _ => entry.events.push(route.clone()),
            }
        }
        Self { entries: entries.into_iter().map(|(pattern, entry)| (pattern, Arc::new(entry))).collect() }
    }

    /// What answers to a canonical pattern.
    #[must_use]
    pub fn get(&self, route: &str) -> Option<&Arc<RouteEntry>> {
        self.entries.get(route)
    }

    /// Every entry, sorted by pattern.
    #[must_use]
    pub fn entries(&self) -> Vec<&RouteEntry> {
        let mut entries: Vec<_> = self.entries.values().map(|entry| &**entry).collect();
        entries.sort_by(|one, other| one.pattern.cmp(&other.pattern));
        entries
    }
}
