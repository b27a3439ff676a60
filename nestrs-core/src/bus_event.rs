//! Events that are types: a name each, checked by the compiler.

use serde::Serialize;
use serde::de::DeserializeOwned;

/// An event of the in-process `EventBus` that is a type of its own.
///
/// `#[event("order.created")]` on the type implements it; by hand it is one line. Publisher and subscriber then share
/// the type and cannot disagree about the name or the fields.
///
/// The name is made of segments between dots. It is no wildcard: a `*` in it, or an empty segment, is an error of the
/// compiler where the event is published or subscribed to.
///
/// A subscriber that takes the type gets a clone of the value, and no JSON is made. `Serialize` and `Deserialize` are
/// there for everyone else: pipes, subscribers that take a `serde_json::Value`, and events of the same name that are
/// published as JSON.
///
/// ```
/// use nestrs_core::BusEvent;
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Clone, Serialize, Deserialize)]
/// struct OrderCreated {
///     id: u64,
/// }
///
/// impl BusEvent for OrderCreated {
///     const NAME: &'static str = "order.created";
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an event",
    label = "has no event name",
    note = "put `#[event(\"order.created\")]` on the type, or name the event where it is used: `#[on_event(\"order.created\")]`"
)]
pub trait BusEvent: Clone + Serialize + DeserializeOwned + Send + Sync + 'static {
    /// What it is published as: `order.created`.
    const NAME: &'static str;
}

/// What is wrong with a text as the pattern of a subscriber; `None` when it is right.
///
/// `*` stands for one segment and `**` for any number, none included. Each is a segment by itself.
#[must_use]
pub const fn subscription_problem(pattern: &str) -> Option<&'static str> {
    problem(pattern.as_bytes(), true)
}

/// What is wrong with a text as the name of an event; `None` when it is right.
#[must_use]
pub const fn event_name_problem(name: &str) -> Option<&'static str> {
    problem(name.as_bytes(), false)
}

/// Written for constants, which know neither iterators nor comparison of slices.
const fn problem(text: &[u8], wildcards: bool) -> Option<&'static str> {
    if text.is_empty() {
        return Some("an event has a name");
    }
    // The route of an object pattern is one segment, whatever it holds.
    if text[0] == b'{' {
        return None;
    }
    let mut at = 0;
    let mut after_double = false;
    while at <= text.len() {
        let start = at;
        let mut stars = 0;
        while at < text.len() && text[at] != b'.' {
            if text[at] == b'*' {
                stars += 1;
            }
            at += 1;
        }
        let len = at - start;
        if len == 0 {
            return Some("a segment is empty: names are made of segments between dots, as in `order.created`");
        }
        if stars > 0 && !wildcards {
            return Some("an event has one name, and no wildcard in it");
        }
        if stars > 0 && (stars != len || stars > 2) {
            return Some("a wildcard is a whole segment: `*` for one, `**` for any number");
        }
        if stars == 2 && after_double {
            return Some("`**.**` says what `**` says");
        }
        after_double = stars == 2;
        at += 1;
    }
    None
}

/// The name of an event type; for constants, where a wrong one is an error of the compiler.
///
/// # Panics
/// When it is no name.
#[must_use]
#[track_caller]
pub const fn event_name<E: BusEvent>() -> &'static str {
    assert!(event_name_problem(E::NAME).is_none(), "the name of an event has a wildcard or an empty segment in it");
    E::NAME
}

/// What a subscriber listens to; for constants, where a wrong one is an error of the compiler.
///
/// # Panics
/// When it is nothing to listen to.
#[must_use]
#[track_caller]
pub const fn topic(pattern: &'static str) -> &'static str {
    let is_right = subscription_problem(pattern).is_none();
    assert!(
        is_right,
        "this is empty, has an empty segment, or a wildcard that is no whole segment: `*` is one, `**` any number"
    );
    pattern
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_are_whole_segments_of_subscriptions() {
        let check = |pattern: &str, part: Option<&str>| match (subscription_problem(pattern), part) {
            (None, None) => {}
            (Some(found), Some(part)) if found.contains(part) => {}
            (found, _) => panic!("{pattern}: {found:?}"),
        };
        for right in ["a", "order.created", "order.*", "*", "**", "a.**.z", "*.*", "*.**", "**.*.**", "{\"a\":\"*..\"}"]
        {
            check(right, None);
        }
        check("", Some("has a name"));
        for (empty, part) in [(".", "empty"), ("a.", "empty"), (".a", "empty"), ("a..b", "empty")] {
            check(empty, Some(part));
        }
        for half in ["order.cre*", "*a", "***", "a.*b*.c"] {
            check(half, Some("whole segment"));
        }
        check("a.**.**", Some("`**.**`"));
    }

    #[test]
    fn an_event_has_one_name() {
        assert_eq!(event_name_problem("order.created"), None);
        for wrong in ["order.*", "**", "a*", "", "a."] {
            assert!(event_name_problem(wrong).is_some(), "{wrong}");
        }
    }
}
