//! Names of events and wildcards for them, as far as literals tell.
//!
//! nestrs-core checks the same for names that only the compiler or boot knows.

/// What is wrong with a literal as the name of an event.
pub(crate) fn name_problem(name: &str) -> Option<&'static str> {
    if name.contains('*') {
        return Some("an event has one name, and no wildcard in it");
    }
    subscription_problem(name)
}

/// What is wrong with a literal as what a subscriber listens to.
pub(crate) fn subscription_problem(pattern: &str) -> Option<&'static str> {
    if pattern.is_empty() {
        return Some("an event has a name");
    }
    let mut last = "";
    for segment in pattern.split('.') {
        if segment.is_empty() {
            return Some("a segment is empty: names are made of segments between dots, as in `order.created`");
        }
        if segment.contains('*') && !matches!(segment, "*" | "**") {
            return Some("a wildcard is a whole segment: `*` for one, `**` for any number");
        }
        if last == "**" && segment == "**" {
            return Some("`**.**` says what `**` says");
        }
        last = segment;
    }
    None
}

/// Whether every event that `narrow` takes is one that `wide` takes too.
pub(crate) fn covers(wide: &str, narrow: &str) -> bool {
    let wide: Vec<_> = wide.split('.').collect();
    let narrow: Vec<_> = narrow.split('.').collect();
    // For each length of `narrow`, which lengths of `wide` cover it; patterns are as long as a line.
    let mut covered = vec![vec![false; wide.len() + 1]; narrow.len() + 1];
    for of in 0..=narrow.len() {
        for at in 0..=wide.len() {
            covered[of][at] = match (of.checked_sub(1).map(|of| narrow[of]), at.checked_sub(1).map(|at| wide[at])) {
                (None, None) => true,
                (Some(_), None) => false,
                (None, Some(segment)) => segment == "**" && covered[of][at - 1],
                (Some(_), Some("**")) => covered[of - 1][at] || covered[of][at - 1],
                (Some("**"), Some(_)) => false,
                (Some(_), Some("*")) => covered[of - 1][at - 1],
                (Some(one), Some(other)) => one == other && covered[of - 1][at - 1],
            };
        }
    }
    covered[narrow.len()][wide.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wildcard_covers_what_it_takes_all_of() {
        let check =
            |wide: &str, narrow: &str, expected: bool| assert_eq!(covers(wide, narrow), expected, "{wide} {narrow}");
        check("order.*", "order.created", true);
        check("order.*", "order.created.x", false);
        check("order.*", "order.*", true);
        check("order.created", "order.*", false);
        check("order.**", "order", true);
        check("order.**", "order.*", true);
        check("order.*", "order.**", false);
        check("**", "a.**.b", true);
        check("**.b", "a.*.b", true);
        check("a.**.c", "a.b.c", true);
        check("*.b", "**.b", false);
    }
}
