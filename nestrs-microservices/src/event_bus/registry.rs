//! Who is subscribed to what, and in which order they get an event.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::subscriber::Subscriber;
use super::topic::{Segment, Topic, fits, segments};

/// A subscriber's place in the order: those that `#[on_event]` declares come first, as boot has mounted them, then
/// those made at run time, as they were made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    at_run_time: bool,
    number: u64,
}

/// Every subscriber of a bus.
///
/// Invariant: whoever is in `names` or in `wildcards` is in `all`, and the lists are in the order of their places.
#[derive(Default)]
pub(super) struct Registry {
    next: u64,
    all: BTreeMap<Place, Entry>,
    names: HashMap<Box<str>, Vec<(Place, Arc<Subscriber>)>>,
    wildcards: BTreeMap<Place, Wildcards>,
}

/// A subscriber with its wildcards, at least one.
struct Wildcards {
    patterns: Vec<Box<[Segment]>>,
    subscriber: Arc<Subscriber>,
}

struct Entry {
    subscriber: Arc<Subscriber>,
    /// Where in `names` it is.
    names: Vec<Box<str>>,
}

impl Registry {
    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    pub(super) fn add(&mut self, topics: Vec<Topic>, subscriber: Arc<Subscriber>, at_run_time: bool) -> Place {
        let place = Place { at_run_time, number: self.next };
        self.next += 1;
        let mut names = Vec::new();
        let mut patterns = Vec::new();
        for topic in topics {
            match topic {
                Topic::Name(name) => names.push(name),
                Topic::Wildcard(pattern) => patterns.push(pattern),
            }
        }
        for name in &names {
            let list = self.names.entry(name.clone()).or_default();
            // Nearly always the end of the list.
            let at = list.partition_point(|(other, _)| *other < place);
            list.insert(at, (place, Arc::clone(&subscriber)));
        }
        if !patterns.is_empty() {
            self.wildcards.insert(place, Wildcards { patterns, subscriber: Arc::clone(&subscriber) });
        }
        self.all.insert(place, Entry { subscriber, names });
        place
    }

    pub(super) fn remove(&mut self, place: Place) {
        let Some(entry) = self.all.remove(&place) else { return };
        self.wildcards.remove(&place);
        for name in entry.names {
            if let Some(list) = self.names.get_mut(&name) {
                list.retain(|(other, _)| *other != place);
                if list.is_empty() {
                    self.names.remove(&name);
                }
            }
        }
    }

    /// Takes everyone out.
    pub(super) fn clear(&mut self) -> Vec<Arc<Subscriber>> {
        self.names.clear();
        self.wildcards.clear();
        std::mem::take(&mut self.all).into_values().map(|entry| entry.subscriber).collect()
    }

    pub(super) fn all(&self) -> Vec<Arc<Subscriber>> {
        self.all.values().map(|entry| Arc::clone(&entry.subscriber)).collect()
    }

    /// Whose event `name` is: each once, in order, however many of its patterns fit.
    pub(super) fn find(&self, name: &str) -> Vec<(Place, Arc<Subscriber>)> {
        let mut found = self.names.get(name).cloned().unwrap_or_default();
        if !self.wildcards.is_empty() {
            let name: Vec<_> = segments(name).collect();
            let fitting =
                self.wildcards.iter().filter(|(_, one)| one.patterns.iter().any(|pattern| fits(pattern, &name)));
            for (place, one) in fitting {
                if let Err(at) = found.binary_search_by_key(place, |(known, _)| *known) {
                    found.insert(at, (*place, Arc::clone(&one.subscriber)));
                }
            }
        }
        found
    }
}
