//! Which subjects stand for which.

/// Whether `filter` matches every subject that `pattern` does.
pub(super) fn covers(filter: &str, pattern: &str) -> bool {
    let (mut filter, mut pattern) = (filter.split('.'), pattern.split('.'));
    loop {
        match (filter.next(), pattern.next()) {
            (None, None) => return true,
            (Some(">"), Some(_)) => return true,
            (Some("*"), Some(word)) if word != ">" => {}
            (Some(one), Some(other)) if one == other => {}
            _ => return false,
        }
    }
}

/// Whether there are subjects that both match.
pub(super) fn overlap(one: &str, other: &str) -> bool {
    let (mut one, mut other) = (one.split('.'), other.split('.'));
    loop {
        match (one.next(), other.next()) {
            (None, None) => return true,
            (Some(">"), Some(_)) | (Some(_), Some(">")) => return true,
            (Some("*"), Some(_)) | (Some(_), Some("*")) => {}
            (Some(one), Some(other)) if one == other => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_covers_what_it_matches_whole() {
        let check = |filter: &str, pattern: &str, covered: bool, overlapping: bool| {
            assert_eq!(
                (covers(filter, pattern), overlap(filter, pattern)),
                (covered, overlapping),
                "{filter} {pattern}"
            );
        };
        check("orders.>", "orders.created", true, true);
        check("orders.>", "orders.*", true, true);
        check("orders.>", "orders.*.eu", true, true);
        check("orders.>", "orders.>", true, true);
        check("orders.>", "orders", false, false);
        check("orders.*", "orders.>", false, true);
        check("orders.*", "*.created", false, true);
        check("orders.*", "orders.a.b", false, false);
        check("orders.*", "billing.*", false, false);
        check(">", "anything", true, true);
        check("a.b", ">", false, true);
        check("a.b", "a", false, false);
    }
}
