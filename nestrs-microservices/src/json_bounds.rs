//! What JSON may be beyond being JSON, so that everybody can read it: nested no deeper than 127, and without a number that
//! no double can hold (FR-6). Every body passes here, so what is looked for is first ruled out in whole blocks.

// What a peer sends must not be able to make this panic.
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::string_slice))]

/// As deep as JSON may nest: serde_json follows no further.
const DEPTH_MAX: usize = 127;
/// Bytes that are looked at together: few enough that a byte can count them, and half of the fewest digits that may be too
/// many for a double together with an exponent of less than three.
const BLOCK: usize = 64;

/// Whether JSON is nested deeper than any of its readers would follow. Iterative, and asked before it is known to be JSON:
/// what skips a value remembers each of its brackets.
pub(crate) fn nests_too_deep(json: &[u8]) -> bool {
    // What closes as many brackets as it opens is longer than that, and what does not is no JSON.
    if json.len() <= 2 * DEPTH_MAX {
        return false;
    }
    let in_block = |block: &[u8]| usize::from(block.iter().map(|byte| u8::from(opens(*byte))).sum::<u8>());
    // Few bodies open so many brackets at all.
    json.chunks(BLOCK).map(in_block).sum::<usize>() > DEPTH_MAX && depth_passes(json, DEPTH_MAX)
}

/// `[` and `{`, which differ in one bit.
const fn opens(byte: u8) -> bool {
    byte & 0xDF == b'['
}

fn depth_passes(json: &[u8], max: usize) -> bool {
    let (mut depth, mut in_text, mut escaped) = (0_usize, false, false);
    for byte in json {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = in_text,
            b'"' => in_text = !in_text,
            _ if in_text => {}
            b']' | b'}' => depth = depth.saturating_sub(1),
            byte if opens(*byte) => depth += 1,
            _ => {}
        }
        if depth > max {
            return true;
        }
    }
    false
}

/// Whether a valid JSON value has a number that no double can hold. Members that nobody reads are kept as text, whose
/// numbers serde_json does not look at.
pub(crate) fn has_number_out_of_range(value: &str) -> bool {
    let json = value.as_bytes();
    // The most common members are texts, and are not looked at.
    !value.starts_with('"') && may_have_number_out_of_range(json) && any_number(json, is_out_of_range)
}

/// True for every value that has one, and for few others: beyond 1.8e308 is only what has an exponent of three digits, or
/// more than two hundred digits in a row.
fn may_have_number_out_of_range(json: &[u8]) -> bool {
    let (ones, nexts) = (json, json.get(1..).unwrap_or_default());
    let blocks = ones.chunks(BLOCK).zip(nexts.chunks(BLOCK)).enumerate();
    for (at, (ones, nexts)) in blocks {
        // Sums, since the compiler makes vector instructions of those.
        let exponent = |(one, next): (&u8, &u8)| u8::from(one.is_ascii_digit()) & u8::from(is_e(*next));
        let exponents: u8 = ones.iter().zip(nexts).map(exponent).sum();
        let digits: u8 = ones.iter().map(|one| u8::from(one.is_ascii_digit())).sum();
        let all_digits = usize::from(digits) == BLOCK;
        if all_digits || (exponents > 0 && has_long_exponent(json.get(at * BLOCK..).unwrap_or_default())) {
            return true;
        }
    }
    false
}

const fn is_e(byte: u8) -> bool {
    byte | 0x20 == b'e'
}

/// Whether in the first block of `json` something begins that reads as the exponent of a number, and is neither negative
/// nor shorter than three digits. Texts are full of digits and letters, but seldom of those with a comma behind them.
fn has_long_exponent(json: &[u8]) -> bool {
    (1..=BLOCK).filter(|at| json.get(*at).copied().is_some_and(is_e)).any(|at| {
        let exponent = json.get(at + 1..).unwrap_or_default();
        let exponent = exponent.strip_prefix(b"+").unwrap_or(exponent);
        let digits = exponent.iter().take_while(|byte| byte.is_ascii_digit()).count();
        digits >= 3 && matches!(exponent.get(digits), None | Some(b',' | b']' | b'}' | b' ' | b'\t' | b'\r' | b'\n'))
    })
}

/// Whether any number of a valid JSON value, texts left out, is as `wanted`.
fn any_number(json: &[u8], wanted: fn(&[u8]) -> bool) -> bool {
    let mut rest = json;
    while let [first, after @ ..] = rest {
        rest = match first {
            b'"' => after_text(after),
            b'-' | b'0'..=b'9' => {
                let of_number = |byte: &&u8| matches!(byte, b'0'..=b'9' | b'.' | b'+' | b'-' | b'e' | b'E');
                let len = rest.iter().take_while(of_number).count();
                let (number, after) = rest.split_at_checked(len).unwrap_or((rest, &[]));
                if wanted(number) {
                    return true;
                }
                after
            }
            _ => after,
        };
    }
    false
}

/// What follows a text whose opening quote has been taken.
fn after_text(json: &[u8]) -> &[u8] {
    let mut rest = json;
    loop {
        rest = match rest {
            [b'\\', _, after @ ..] => after,
            [b'"', after @ ..] => return after,
            [_, after @ ..] => after,
            [] => return rest,
        };
    }
}

/// As whoever reads the payload would say.
fn is_out_of_range(number: &[u8]) -> bool {
    // What is as short as this is a whole number or a small one.
    number.len() >= "1e309".len() && serde_json::from_slice::<f64>(number).is_err()
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
        assert!(nests_too_deep("[".repeat(1_000_000).as_bytes()));
        let wide = format!("[{}1]", "[1],".repeat(1000));
        assert!(!nests_too_deep(wide.as_bytes()));
        let text = serde_json::to_string(&format!("\"\\{}", "[{".repeat(1000))).unwrap();
        assert!(!nests_too_deep(text.as_bytes()));
    }

    /// Whatever stands before it, and however the blocks fall.
    #[test]
    fn fr_6_a_number_out_of_range_is_found_wherever_it_stands() {
        let [whole, long] = ["9".repeat(310), format!("{}.5e99", "9".repeat(215))];
        for before in 0..3 * BLOCK {
            for number in ["1e309", "-123.5E+0400", &whole, &long] {
                for json in [
                    format!(r#"["{}",{number}]"#, "x".repeat(before)),
                    format!("[{}{number}]", " ".repeat(before)),
                    format!("[{}{number}\n,1]", "1,".repeat(before)),
                    format!("{}{number}", " ".repeat(before)),
                ] {
                    assert!(has_number_out_of_range(&json), "{json}");
                }
            }
        }
    }

    /// What is common in payloads, and reads like numbers, is not even looked at a second time.
    #[test]
    fn identifiers_and_texts_are_ruled_out_at_the_first_look() {
        for json in [
            r#"{"id":"507f1f77bcf86cd799439011","other":"5e7e1e9e2e3e4e999e123"}"#,
            r#"{"uuid":"1e123456-7e89-4e12-9e34-56789e123456","price":1e3,"small":1e-400,"at":"2e100-odd"}"#,
            r#"[12345678901234567890,1.5,0.1e99,"base64/1e400=="]"#,
        ] {
            assert!(!may_have_number_out_of_range(json.as_bytes()), "{json}");
        }
    }
}
