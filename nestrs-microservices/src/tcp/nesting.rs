//! JSON that is nested too deeply to be read.

/// As deep as JSON may nest: no reader of ours goes further.
const DEPTH_MAX: usize = 127;

/// Whether JSON text nests deeper than 127. Iterative, in one pass, and for all but strange texts without a look at their
/// structure.
pub(super) fn nests_too_deep(json: &[u8]) -> bool {
    // What opens so few brackets cannot nest deeper.
    let opened = |byte: &&u8| matches!(byte, b'[' | b'{');
    json.len() > 2 * DEPTH_MAX && json.iter().filter(opened).count() > DEPTH_MAX && depth_of(json) > DEPTH_MAX
}

/// How deep valid JSON text nests.
fn depth_of(json: &[u8]) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    let (mut in_string, mut escaped) = (false, false);
    for byte in json {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'[' | b'{' if !in_string => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fr_6_nesting_deeper_than_127_is_found_and_nothing_else_is() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(!nests_too_deep(nested(127).as_bytes()));
        assert!(nests_too_deep(nested(128).as_bytes()));
        assert!(nests_too_deep(nested(1_000_000).as_bytes()));
        let wide = format!("[{}1]", "[1],".repeat(1000));
        assert!(!nests_too_deep(wide.as_bytes()));
        let text = serde_json::to_string(&format!("\"\\{}", "[{".repeat(1000))).unwrap();
        assert!(!nests_too_deep(text.as_bytes()));
    }
}
