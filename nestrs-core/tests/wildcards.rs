//! What wildcards match, against tables of cases and against a reference that tries everything.

use std::time::{Duration, Instant};

use nestrs_core::{Pattern, Wildcard, WildcardStyle};
use proptest::prelude::*;

use WildcardStyle::{Mqtt, Nats, Redis, Rmq};

fn wildcard(pattern: &str, style: WildcardStyle) -> Option<Wildcard> {
    Wildcard::new(&Pattern::from(pattern), style)
}

/// A pattern that has wildcards, the subjects it stands for, and some it does not.
#[track_caller]
fn check(style: WildcardStyle, pattern: &str, matching: &[&str], others: &[&str]) {
    let wildcard = wildcard(pattern, style).unwrap_or_else(|| panic!("`{pattern}` has wildcards"));
    for subject in matching {
        assert!(wildcard.matches(subject), "`{pattern}` stands for `{subject}`");
    }
    for subject in others {
        assert!(!wildcard.matches(subject), "`{pattern}` does not stand for `{subject}`");
    }
}

#[test]
fn nats_has_one_word_and_a_tail_of_words() {
    check(Nats, "orders.*", &["orders.eu", "orders.*", "orders.é"], &["orders", "orders.", "orders.eu.x", "Orders.eu"]);
    check(Nats, "*.created", &["a.created"], &["created", ".created", "a.b.created"]);
    check(Nats, "log.>", &["log.a", "log.a.b.c"], &["log", "log.", "log.a.", "log.a..b", "logs.a"]);
    check(Nats, ">", &["a", "a.b", r#"{"cmd":"sum"}"#], &["", "."]);
    check(Nats, "*.>", &["a.b", "a.b.c"], &["a"]);
    // Only the last `>` is a wildcard; a broker refuses others.
    check(Nats, "a.>.*", &["a.>.b"], &["a.x.b", "a.x.y.b"]);
}

#[test]
fn redis_has_globs() {
    check(Redis, "orders:*", &["orders:", "orders:a:b"], &["orders", "xorders:a"]);
    check(Redis, "h?llo", &["hello", "h*llo"], &["hllo", "heello"]);
    check(Redis, "h[ae]llo", &["hello", "hallo"], &["hillo", "h[ae]llo"]);
    check(Redis, "h[^e]llo", &["hallo", "h^llo"], &["hello", "hllo"]);
    check(Redis, "[a-cx]", &["a", "b", "c", "x"], &["d", "-", ""]);
    check(Redis, "[c-a]", &["a", "b", "c"], &["d"]);
    check(Redis, "[a", &["a"], &["b", "[a"]);
    check(Redis, "[]", &[], &["", "]", "[]"]);
    check(Redis, r"\*", &["*"], &["a", r"\*"]);
    check(Redis, r"[\]]", &["]"], &[r"\"]);
    check(Redis, r"a\", &[r"a\"], &["a"]);
    check(Redis, "**a**b**", &["ab", "xaxbx"], &["ba", "a"]);
    // Redis counts bytes: two make an é.
    check(Redis, "??", &["é"], &["e"]);
}

#[test]
fn mqtt_has_levels_and_a_tail_of_levels() {
    check(Mqtt, "sport/+/score", &["sport/tennis/score", "sport//score"], &["sport/score", "sport/a/b/score"]);
    check(Mqtt, "sport/#", &["sport", "sport/", "sport/a/b"], &["sports", "a/sport"]);
    check(Mqtt, "+", &["a", ""], &["a/b", "/", "$SYS"]);
    check(Mqtt, "#", &["a", "a/b/c"], &["$SYS/uptime"]);
    check(Mqtt, "$SYS/#", &["$SYS/uptime", "$SYS"], &["SYS/uptime"]);
    check(Mqtt, "$share/group/a/+", &["a/b"], &["$share/group/a/b", "a"]);
    // A group alone shares one topic.
    check(Mqtt, "$share/group/a", &["a"], &["group/a"]);
    check(Mqtt, "a/#/+", &["a/#/b"], &["a/x/b"]);
}

#[test]
fn rabbitmq_has_one_word_and_any_number_of_words() {
    check(Rmq, "*.orange.*", &["quick.orange.rabbit"], &["orange.rabbit", "quick.orange.male.rabbit"]);
    check(Rmq, "lazy.#", &["lazy", "lazy.a.b"], &["lazier", "a.lazy"]);
    check(Rmq, "#", &["", "a", "a.b"], &[]);
    check(Rmq, "a.#.z", &["a.z", "a.b.z", "a.z.z", "a.b.c.z"], &["a", "z", "a.b"]);
    check(Rmq, "#.*", &["a", "a.b"], &[]);
}

#[test]
fn a_pattern_without_wildcards_of_the_style_stands_for_itself() {
    for (style, plain) in [
        (Nats, "orders.created"),
        (Nats, "orders.a*"),
        (Nats, "a.>.b"),
        (Nats, "a/+/#"),
        (Redis, "orders.>"),
        (Mqtt, "orders.*"),
        (Mqtt, "a/#/b"),
        (Mqtt, "$share/group"),
        (Rmq, "a.#b"),
    ] {
        assert!(wildcard(plain, style).is_none(), "{style:?} {plain}");
    }
}

#[test]
fn an_object_pattern_never_has_wildcards() {
    let object = Pattern::from(serde_json::json!({ "cmd": "*", "v": "a.*.b" }));
    for style in [Nats, Redis, Mqtt, Rmq] {
        assert!(Wildcard::new(&object, style).is_none(), "{style:?}");
        assert!(wildcard(object.route(), style).is_none(), "its text is the same route");
    }
}

/// What doubles with each star where an earlier one is widened too.
#[test]
fn rq_2_a_hostile_subject_costs_no_more_than_a_friendly_one() {
    let started = Instant::now();
    let glob = wildcard(&format!("{}b", "*a".repeat(50)), Redis).unwrap();
    assert!(!glob.matches(&"a".repeat(60_000)));
    let words = wildcard(&format!("{}b", "#.a.".repeat(50)), Rmq).unwrap();
    assert!(!words.matches(&vec!["a"; 30_000].join(".")));
    assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
}

/// Tries every way to cover the words, by the words of the documentation.
fn reference(style: WildcardStyle, pattern: &[&str], subject: &[&str]) -> bool {
    let Some((first, rest)) = pattern.split_first() else { return subject.is_empty() };
    let any_number = |from: usize| (from..=subject.len()).any(|taken| reference(style, rest, &subject[taken..]));
    match (style, *first, rest.is_empty()) {
        (Nats, ">", true) => !subject.is_empty(),
        (Mqtt, "#", true) => true,
        (Rmq, "#", _) => any_number(0),
        (Nats | Rmq, "*", _) | (Mqtt, "+", _) => !subject.is_empty() && reference(style, rest, &subject[1..]),
        (_, text, _) => subject.first() == Some(&text) && reference(style, rest, &subject[1..]),
    }
}

fn glob_reference(pattern: &[u8], subject: &[u8]) -> bool {
    match pattern {
        [] => subject.is_empty(),
        [b'*', rest @ ..] => (0..=subject.len()).any(|taken| glob_reference(rest, &subject[taken..])),
        [b'?', rest @ ..] => !subject.is_empty() && glob_reference(rest, &subject[1..]),
        // `[ab]` and `[^ab]` are the only classes here.
        [b'[', b'^', b'a', b'b', b']', rest @ ..] => {
            subject.first().is_some_and(|byte| !b"ab".contains(byte)) && glob_reference(rest, &subject[1..])
        }
        [b'[', b'a', b'b', b']', rest @ ..] => {
            subject.first().is_some_and(|byte| b"ab".contains(byte)) && glob_reference(rest, &subject[1..])
        }
        [byte, rest @ ..] => subject.first() == Some(byte) && glob_reference(rest, &subject[1..]),
    }
}

fn pieces(pieces: &'static [&'static str], separator: &'static str) -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(pieces), 1..7).prop_map(move |pieces| pieces.join(separator))
}

/// What the reference says of a whole subject.
fn expected(style: WildcardStyle, pattern: &str, subject: &str) -> bool {
    let separator = if style == Mqtt { '/' } else { '.' };
    let [pattern, subject] = [pattern, subject].map(|text| text.split(separator).collect::<Vec<_>>());
    match style {
        Nats if subject.contains(&"") => false,
        Mqtt if subject[0].starts_with('$') && matches!(pattern[0], "+" | "#") => false,
        _ => reference(style, &pattern, &subject),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn nats_agrees_with_the_reference(
        pattern in pieces(&["a", "b", "*", ">"], "."),
        subject in pieces(&["a", "b", "", ">"], "."),
    ) {
        if let Some(wildcard) = wildcard(&pattern, Nats) {
            prop_assert_eq!(wildcard.matches(&subject), expected(Nats, &pattern, &subject));
        }
    }

    #[test]
    fn rabbitmq_agrees_with_the_reference(
        pattern in pieces(&["a", "b", "*", "#"], "."),
        subject in pieces(&["a", "b", ""], "."),
    ) {
        if let Some(wildcard) = wildcard(&pattern, Rmq) {
            prop_assert_eq!(wildcard.matches(&subject), expected(Rmq, &pattern, &subject));
        }
    }

    #[test]
    fn mqtt_agrees_with_the_reference(
        pattern in pieces(&["a", "$S", "+", "#"], "/"),
        subject in pieces(&["a", "$S", "", "b"], "/"),
    ) {
        if let Some(wildcard) = wildcard(&pattern, Mqtt) {
            prop_assert_eq!(wildcard.matches(&subject), expected(Mqtt, &pattern, &subject));
        }
    }

    #[test]
    fn redis_agrees_with_the_reference(
        pattern in pieces(&["a", "b", "c", "*", "?", "[ab]", "[^ab]"], ""),
        subject in "[abc]{0,10}",
    ) {
        if let Some(wildcard) = wildcard(&pattern, Redis) {
            prop_assert_eq!(wildcard.matches(&subject), glob_reference(pattern.as_bytes(), subject.as_bytes()));
        }
    }

    #[test]
    fn nothing_that_is_declared_or_sent_makes_it_panic(pattern in any::<String>(), subject in any::<String>()) {
        for style in [Nats, Redis, Mqtt, Rmq] {
            if let Some(wildcard) = wildcard(&pattern, style) {
                let _ = wildcard.matches(&subject);
            }
        }
    }
}
