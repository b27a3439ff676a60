//! Whose event it is: names in segments, and wildcards for them.

/// What a subscriber listens to, as event-emitter2 with `wildcard: true` reads it: `*` is one segment between dots,
/// `**` any number of them, none included. All else is meant literally.
#[derive(Debug)]
pub(super) enum Topic {
    Name(Box<str>),
    Wildcard(Box<[Segment]>),
}

#[derive(Debug)]
pub(super) enum Segment {
    Literal(Box<str>),
    /// `*`
    One,
    /// `**`
    Many,
}

impl Topic {
    pub(super) fn new(pattern: &str) -> Self {
        if !has_wildcard(pattern) {
            return Self::Name(pattern.into());
        }
        let segment = |text| match text {
            "*" => Segment::One,
            "**" => Segment::Many,
            text => Segment::Literal(text.into()),
        };
        Self::Wildcard(segments(pattern).map(segment).collect())
    }
}

/// Whether a name has a wildcard among its segments.
pub(super) fn has_wildcard(name: &str) -> bool {
    segments(name).any(|segment| matches!(segment, "*" | "**"))
}

/// The route of an object pattern is one segment: the dots in it separate nothing.
pub(super) fn segments(name: &str) -> impl Iterator<Item = &str> {
    let delimiter = if name.starts_with('{') { '\0' } else { '.' };
    name.split(delimiter)
}

/// Whether a wildcard's segments fit those of a name.
///
/// Neither recursive nor exponential: where the rest does not fit, the last `**` takes one segment more and the rest
/// is tried again; an earlier `**` never has to be.
pub(super) fn fits(pattern: &[Segment], name: &[&str]) -> bool {
    let (mut at, mut of) = (0, 0);
    // Where to go on when what follows the last `**` does not fit.
    let mut again: Option<(usize, usize)> = None;
    while of < name.len() {
        match pattern.get(at) {
            Some(Segment::Many) => {
                again = Some((at + 1, of));
                at += 1;
            }
            Some(Segment::One) => (at, of) = (at + 1, of + 1),
            Some(Segment::Literal(text)) if **text == *name[of] => (at, of) = (at + 1, of + 1),
            _ => match &mut again {
                Some((after, taken)) => {
                    *taken += 1;
                    (at, of) = (*after, *taken);
                }
                None => return false,
            },
        }
    }
    pattern[at..].iter().all(|segment| matches!(segment, Segment::Many))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, name: &str) -> bool {
        match Topic::new(pattern) {
            Topic::Name(known) => *known == *name,
            Topic::Wildcard(pattern) => fits(&pattern, &segments(name).collect::<Vec<_>>()),
        }
    }

    #[test]
    fn wildcards_match_as_event_emitter2_has_them() {
        let check = |pattern: &str, right: &[&str], wrong: &[&str]| {
            for name in right {
                assert!(matches(pattern, name), "{pattern} takes {name}");
            }
            for name in wrong {
                assert!(!matches(pattern, name), "{pattern} does not take {name}");
            }
        };
        check("order.created", &["order.created"], &["order", "order.created.x", "Order.created"]);
        check("order.*", &["order.created", "order."], &["order", "order.a.b", "orders.a"]);
        check("*.created", &["order.created", "user.created"], &["created", "a.b.created"]);
        check("*", &["order", r#"{"a":"b.c"}"#], &["order.created"]);
        check("**", &["order", "order.created", "a.b.c.d", r#"{"a":"b.c"}"#], &[]);
        check("order.**", &["order", "order.a", "order.a.b"], &["orders", "a.order"]);
        check("order.**.done", &["order.done", "order.a.done", "order.a.b.done", "order.done.done"], &["order.a"]);
        check("**.b.**.c", &["b.c", "a.b.c", "b.b.x.c", "b.c.c"], &["b", "c.b", "a.b.c.d"]);
        check("a.*.**", &["a.b", "a.b.c"], &["a"]);
        check("order.cre*", &["order.cre*"], &["order.created"]);
    }

    #[test]
    fn rq_2_a_hostile_wildcard_is_no_more_work_than_its_size() {
        let pattern = "**.a".repeat(40).replace("a**", "a.**") + ".b";
        let name = vec!["a"; 20_000].join(".");
        assert!(!matches(&pattern, &name));
    }
}
