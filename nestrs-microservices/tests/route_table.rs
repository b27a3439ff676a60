//! Who answers to a subject, against a reference that compares it with every pattern.

use std::sync::Arc;

use nestrs_core::{
    BoxFuture, Endpoint, ExecutionContext, Extras, HandlerKind, HandlerLimits, HandlerResult, Pattern, Payload, Reply,
    Route, Wildcard, WildcardStyle,
};
use nestrs_microservices::RouteTable;
use proptest::prelude::*;

struct Nothing(#[expect(dead_code, reason = "two endpoints are never one allocation")] u8);

impl Endpoint for Nothing {
    fn call<'a>(&'a self, _cx: &'a ExecutionContext, _payload: &'a Payload) -> BoxFuture<'a, HandlerResult> {
        Box::pin(async { Ok(Reply::Empty) })
    }
}

/// Handlers, each with its patterns; the routes have their numbers for names.
const NAMES: [&str; 6] = ["0", "1", "2", "3", "4", "5"];

fn routes(handlers: &[(HandlerKind, Vec<String>)]) -> Vec<Route> {
    let mut routes = Vec::new();
    for ((kind, patterns), name) in handlers.iter().zip(NAMES) {
        let endpoint: Arc<dyn Endpoint> = Arc::new(Nothing(0));
        for pattern in patterns {
            let rival = |route: &Route| route.kind == HandlerKind::Message && route.pattern.route() == pattern;
            // Boot refuses a second handler of a message, and macros the same pattern twice.
            if *kind == HandlerKind::Message && routes.iter().any(rival) {
                continue;
            }
            routes.push(Route {
                metadata: None,
                chain: Arc::default(),
                pattern: Pattern::from(pattern),
                kind: *kind,
                handler: name,
                transports: &[],
                extras: Extras::default(),
                limits: HandlerLimits::default(),
                endpoint: Arc::clone(&endpoint),
            });
        }
    }
    routes
}

/// Literal routes first, then wildcards by the place of their pattern's first declaration.
fn reference<'a>(routes: &'a [Route], subject: &str) -> (Option<&'a str>, Vec<&'a str>) {
    let place = |route: &Route| routes.iter().position(|first| first.pattern == route.pattern);
    let wildcard = |route: &&Route| {
        Wildcard::new(&route.pattern, WildcardStyle::Nats).is_some_and(|wildcard| wildcard.matches(subject))
    };
    let mut wildcards: Vec<&Route> =
        routes.iter().filter(|route| route.pattern.route() != subject).filter(wildcard).collect();
    wildcards.sort_by_key(|route| place(route));
    let literal = routes.iter().filter(|route| route.pattern.route() == subject);
    let matching: Vec<&Route> = literal.chain(wildcards).collect();
    let message = matching.iter().find(|route| route.kind == HandlerKind::Message).map(|route| route.handler);
    let mut events = Vec::new();
    for route in matching.iter().filter(|route| route.kind == HandlerKind::Event) {
        if !events.contains(&route.handler) {
            events.push(route.handler);
        }
    }
    (message, events)
}

fn handlers() -> impl Strategy<Value = Vec<(HandlerKind, Vec<String>)>> {
    let kind = prop::sample::select(&[HandlerKind::Message, HandlerKind::Event][..]);
    let pattern = prop::collection::vec(prop::sample::select(&["a", "b", "*", ">"][..]), 1..3);
    let pattern = pattern.prop_map(|words| words.join("."));
    prop::collection::vec((kind, prop::collection::btree_set(pattern, 1..3)), 1..6).prop_map(|handlers| {
        handlers.into_iter().map(|(kind, patterns)| (kind, patterns.into_iter().collect())).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn what_answers_to_a_subject_is_what_matches_it(
        handlers in handlers(),
        subject in prop::sample::select(&["a", "b", "c", "a.a", "a.b", "c.b", "a.*", ">", "a.b.c", ""][..]),
    ) {
        let routes = routes(&handlers);
        let found = RouteTable::with_wildcards(&routes, WildcardStyle::Nats).find(subject);
        let (message, events) = reference(&routes, subject);
        prop_assert_eq!(found.is_some(), message.is_some() || !events.is_empty());
        if let Some(found) = found {
            prop_assert_eq!(found.message.as_ref().map(|route| route.handler), message);
            prop_assert_eq!(found.events.iter().map(|route| route.handler).collect::<Vec<_>>(), events);
        }
    }

    #[test]
    fn a_table_without_wildcards_finds_what_is_declared_and_nothing_else(
        handlers in handlers(),
        subject in prop::sample::select(&["a", "a.b", "a.*", ">", "*"][..]),
    ) {
        let routes = routes(&handlers);
        let table = RouteTable::new(&routes);
        let declared = routes.iter().filter(|route| route.pattern.route() == subject).count();
        let found = table.find(subject).map_or(0, |entry| entry.events.len() + usize::from(entry.message.is_some()));
        prop_assert_eq!(found, declared);
        prop_assert_eq!(table.find(subject).is_some(), table.get(subject).is_some());
    }
}
