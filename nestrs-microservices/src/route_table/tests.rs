use nestrs_core::{BoxFuture, Endpoint, ExecutionContext, Extras, HandlerLimits, HandlerResult, Payload, Reply};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

struct Nothing;

impl Endpoint for Nothing {
    fn call<'a>(&'a self, _cx: &'a ExecutionContext, _payload: &'a Payload) -> BoxFuture<'a, HandlerResult> {
        Box::pin(async { Ok(Reply::Empty) })
    }
}

/// Patterns, some of which look like others: `"1.0"` over the wire means `1`, and a text in braces an object.
fn declared() -> [Value; 16] {
    [
        json!("sum"),
        json!("true.story"),
        json!("007"),
        json!("1.0"),
        json!(1),
        json!(2.5),
        json!("quo\"ted"),
        json!("漢"),
        json!("orders.*"),
        json!({ "cmd": "sum" }),
        json!({ "b": 1, "a": { "d": 2, "c": "\\" } }),
        json!({ "z": 1, "y": "\n" }),
        json!(r#"{"z":1,"x":2}"#),
        json!(r#"{"cmd": "spaced"}"#),
        json!(r#"{"cmd":"text"}"#),
        json!(["a", { "b": 1 }]),
    ]
}

fn table(patterns: &[Value], style: Option<WildcardStyle>) -> RouteTable {
    let endpoint: Arc<dyn Endpoint> = Arc::new(Nothing);
    let route = |pattern: &Value| Route {
        metadata: None,
        chain: Arc::default(),
        pattern: Pattern::from(pattern),
        kind: HandlerKind::Event,
        handler: "Nothing",
        transports: &[],
        extras: Extras::default(),
        limits: HandlerLimits::default(),
        endpoint: Arc::clone(&endpoint),
    };
    RouteTable::build(&patterns.iter().map(route).collect::<Vec<_>>(), style)
}

/// Every declared text, quoted texts of texts, and texts with members in another order.
fn texts() -> Vec<String> {
    let mut texts = vec![r#"{"a":{"c":"\\","d":2},"b":1}"#.to_owned(), r#"{"x":2,"z":1}"#.to_owned(), "{}".to_owned()];
    for pattern in declared() {
        let text = pattern.to_string();
        texts.extend([Value::from(&*text).to_string(), text.replace(':', ": "), text]);
        texts.extend(pattern.as_str().map(str::to_owned));
        texts.push(Pattern::from(&pattern).route().to_owned());
    }
    texts
}

proptest! {
    /// SL-10 aside, the second map is a short cut and nothing else.
    #[test]
    fn rq_2_a_pattern_found_by_its_text_is_the_one_its_route_leads_to(
        chosen in prop::sample::subsequence(declared().to_vec(), 0..=16),
        style in prop::option::of(Just(WildcardStyle::Nats)),
    ) {
        let table = table(&chosen, style);
        for text in texts() {
            if let Some(entry) = table.find_text(text.as_bytes()) {
                let route = Pattern::route_of(&text).expect("what is found can be read");
                prop_assert_eq!(&*entry.pattern, &*route, "{}", text);
                prop_assert!(table.find(&route).is_some_and(|found| Arc::ptr_eq(&found, entry)), "{}", text);
            }
        }
    }
}

#[test]
fn rq_2_usual_texts_of_an_object_are_found_without_reading_them() {
    let table = table(&declared(), None);
    for text in [r#"{"cmd":"sum"}"#, r#""sum""#, "1", r#"{"a":{"c":"\\","d":2},"b":1}"#] {
        assert!(table.find_text(text.as_bytes()).is_some(), "{text}");
    }
    // A text that is declared in another order than its route's is no JSON of its own route.
    assert!(table.find_text(br#"{"z":1,"x":2}"#).is_none());
}
