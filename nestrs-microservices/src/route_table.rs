//! Pattern → handlers: one for a request, any number for an event. Built once, at boot.

mod words;

use std::collections::HashMap;
use std::sync::Arc;

use nestrs_core::{HandlerKind, Pattern, Route, Wildcard, WildcardStyle};

use self::words::ByWords;

/// Every route of an application.
#[derive(Debug, Default)]
pub struct RouteTable {
    entries: HashMap<Box<str>, Arc<RouteEntry>, ByWords>,
    /// The same by the JSON text of each pattern as callers usually write it: with members in the order of the declaration,
    /// or sorted. Any other text means reading and sorting it first.
    texts: HashMap<Box<[u8]>, Arc<RouteEntry>, ByWords>,
    /// What stands for more than itself, in the order of declaration; empty without wildcards.
    wildcards: Vec<(Wildcard, Arc<RouteEntry>)>,
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
    /// bus. Every pattern is taken as it is, also one that looks like a wildcard.
    #[must_use]
    pub fn new<'a>(routes: impl IntoIterator<Item = &'a Route>) -> Self {
        Self::build(routes, None)
    }

    /// The same, with wildcards of this style, for [`RouteTable::find`].
    #[must_use]
    pub fn with_wildcards<'a>(routes: impl IntoIterator<Item = &'a Route>, style: WildcardStyle) -> Self {
        Self::build(routes, Some(style))
    }

    fn build<'a>(routes: impl IntoIterator<Item = &'a Route>, style: Option<WildcardStyle>) -> Self {
        let mut order: Vec<RouteEntry> = Vec::new();
        let mut places: HashMap<Box<str>, usize> = HashMap::new();
        let mut wildcards: Vec<(Wildcard, usize)> = Vec::new();
        let mut texts: HashMap<Box<[u8]>, Box<str>> = HashMap::new();
        for route in routes {
            for text in [route.pattern.json(), route.pattern.route().into()] {
                // A route is not always JSON, nor is JSON always the text of the route that it looks like.
                if Pattern::route_of(&text).as_deref() == Some(route.pattern.route()) {
                    texts.insert(text.as_bytes().into(), route.pattern.route().into());
                }
            }
            let place = *places.entry(route.pattern.route().into()).or_insert_with(|| {
                let compiled = style.and_then(|style| Wildcard::new(&route.pattern, style));
                wildcards.extend(compiled.map(|compiled| (compiled, order.len())));
                order.push(RouteEntry { pattern: route.pattern.route().into(), message: None, events: Vec::new() });
                order.len() - 1
            });
            match route.kind {
                // Boot has refused a second one.
                HandlerKind::Message => order[place].message = Some(route.clone()),
                _ => order[place].events.push(route.clone()),
            }
        }
        let order: Vec<Arc<RouteEntry>> = order.into_iter().map(Arc::new).collect();
        // What wildcards add to a pattern is known now; a subject that is declared pays for its own look-up only.
        let with_wildcards = |place: usize| {
            let entry = &order[place];
            let others =
                wildcards.iter().filter(|(wildcard, other)| *other != place && wildcard.matches(&entry.pattern));
            all_of([entry].into_iter().chain(others.map(|(_, other)| &order[*other])))
        };
        let entries = places.into_iter().filter_map(|(pattern, place)| Some((pattern, with_wildcards(place)?)));
        let entries: HashMap<Box<str>, Arc<RouteEntry>, ByWords> = entries.collect();
        let texts = texts.into_iter().filter_map(|(text, route)| Some((text, Arc::clone(entries.get(&route)?))));
        Self {
            texts: texts.collect(),
            entries,
            wildcards: wildcards.into_iter().map(|(wildcard, place)| (wildcard, Arc::clone(&order[place]))).collect(),
        }
    }

    /// What answers to a canonical pattern that is declared as it stands here, and to wildcards of the table that match it.
    #[must_use]
    pub fn get(&self, route: &str) -> Option<&Arc<RouteEntry>> {
        self.entries.get(route)
    }

    /// What [`RouteTable::find`] gives for the route of a pattern, by the pattern's JSON text; `None` also where that text is
    /// only written in another way.
    pub(crate) fn find_text(&self, json: &[u8]) -> Option<&Arc<RouteEntry>> {
        self.texts.get(json)
    }

    /// What answers to a subject, wildcards included.
    ///
    /// A request is answered by the message handler that is declared under the subject itself, or else by the first in the
    /// order of declaration whose wildcards match it. An event goes to all event handlers that match, the subject's own
    /// first, then wildcards as they are declared, and to each handler once. (NestJS's MQTT and RabbitMQ stop at the first
    /// pattern that matches, for events too; its NATS and Redis do not.)
    ///
    /// A subject that is declared costs one look-up in a map, as does any subject of a table without wildcards. Another
    /// one is compared with every wildcard; where several match, what answers is put together for this call.
    #[must_use]
    pub fn find(&self, subject: &str) -> Option<Arc<RouteEntry>> {
        if let Some(entry) = self.entries.get(subject) {
            return Some(Arc::clone(entry));
        }
        all_of(self.wildcards.iter().filter(|(wildcard, _)| wildcard.matches(subject)).map(|(_, entry)| entry))
    }

    /// Every declared pattern with what answers to it, sorted.
    #[must_use]
    pub fn entries(&self) -> Vec<&RouteEntry> {
        let mut entries: Vec<&RouteEntry> = Vec::with_capacity(self.entries.len());
        for entry in self.entries.values() {
            let place = entries.partition_point(|other| other.pattern <= entry.pattern);
            entries.insert(place, entry);
        }
        entries
    }
}

/// Several entries as one, which bears the pattern of the first; `None` for none.
fn all_of<'a>(mut entries: impl Iterator<Item = &'a Arc<RouteEntry>>) -> Option<Arc<RouteEntry>> {
    let first = entries.next()?;
    let Some(second) = entries.next() else { return Some(Arc::clone(first)) };
    let mut all = RouteEntry::clone(first);
    for entry in [second].into_iter().chain(entries) {
        all.message = all.message.or_else(|| entry.message.clone());
        for route in &entry.events {
            // A handler may be declared under several patterns that match.
            if !all.events.iter().any(|known| Arc::ptr_eq(&known.endpoint, &route.endpoint)) {
                all.events.push(route.clone());
            }
        }
    }
    Some(Arc::new(all))
}

#[cfg(test)]
mod tests;
