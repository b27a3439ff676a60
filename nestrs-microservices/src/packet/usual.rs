//! Packets as they usually come: members in NestJS's order and no space between them. One pass says where each begins and
//! ends, and that it is JSON which everybody can read. Whatever is unusual or wrong is left to the general reader, which
//! decides; so nothing here has to be told apart from a mistake.

use nestrs_core::json_text::plain_len;

use super::{Members, ResponseMembers};

/// So many digits, with an exponent of two, a double can hold.
const DIGITS_MAX: usize = 200;

/// The members of a request or an event, given that `body` is UTF-8.
pub(super) fn members(body: &[u8]) -> Option<Members<'_>> {
    let mut rest = body;
    let members = Members {
        pattern: Some(member(&mut rest, b"{\"pattern\":")?),
        data: member(&mut rest, b",\"data\":"),
        metadata: member(&mut rest, b",\"metadata\":"),
        id: member(&mut rest, b",\"id\":"),
        out_of_range: false,
    };
    (rest == b"}").then_some(members)
}

/// The members of a response, given that `body` is UTF-8.
pub(super) fn response_members(body: &[u8]) -> Option<ResponseMembers<'_>> {
    let mut rest = body;
    let (response, err) = match member(&mut rest, b"{\"response\":") {
        Some(response) => (Some(response), None),
        None => (None, Some(member(&mut rest, b"{\"err\":")?)),
    };
    let is_disposed = member(&mut rest, b",\"isDisposed\":");
    let id = member(&mut rest, b",\"id\":");
    (rest == b"}").then_some(ResponseMembers { id, err, response, is_disposed, out_of_range: false })
}

/// The value behind `key`, taken off `rest`; `None` takes nothing.
fn member<'a>(rest: &mut &'a [u8], key: &[u8]) -> Option<&'a [u8]> {
    let from = rest.strip_prefix(key)?;
    let after = after_value(from)?;
    *rest = after;
    from.get(..from.len() - after.len())
}

/// What follows the value at the start of `json`.
fn after_value(json: &[u8]) -> Option<&[u8]> {
    let mut rest = json;
    // A bit for each bracket that is open, the innermost lowest: 1 is an object. Above them a 1 that stays.
    let mut open = 1_u64;
    loop {
        rest = match rest {
            [b'"', after @ ..] => after_text(after)?,
            [b'-' | b'0'..=b'9', ..] => after_number(rest)?,
            [b'[', after @ ..] => match after_space(after) {
                [b']', after @ ..] => after,
                first => {
                    (open, rest) = (inside(open, 0)?, first);
                    continue;
                }
            },
            [b'{', after @ ..] => match after_space(after) {
                [b'}', after @ ..] => after,
                first => {
                    (open, rest) = (inside(open, 1)?, after_key(first)?);
                    continue;
                }
            },
            [b't', b'r', b'u', b'e', after @ ..]
            | [b'f', b'a', b'l', b's', b'e', after @ ..]
            | [b'n', b'u', b'l', b'l', after @ ..] => after,
            _ => return None,
        };
        // A value has ended, and with it whatever it is the last of.
        loop {
            if open == 1 {
                return Some(rest);
            }
            match (after_space(rest), open & 1) {
                ([b',', after @ ..], 0) => {
                    rest = after_space(after);
                    break;
                }
                ([b',', after @ ..], _) => {
                    rest = after_key(after_space(after))?;
                    break;
                }
                ([b']', after @ ..], 0) | ([b'}', after @ ..], 1) => (open, rest) = (open >> 1, after),
                _ => return None,
            }
        }
    }
}

/// One bracket deeper; half as deep as JSON may be is deep enough for what is usual.
const fn inside(open: u64, kind: u64) -> Option<u64> {
    if open.leading_zeros() == 0 { None } else { Some(open << 1 | kind) }
}

fn after_key(json: &[u8]) -> Option<&[u8]> {
    let after = after_space(after_text(json.strip_prefix(b"\"")?)?);
    Some(after_space(after.strip_prefix(b":")?))
}

fn after_space(json: &[u8]) -> &[u8] {
    let mut rest = json;
    while let [b' ' | b'\t' | b'\r' | b'\n', after @ ..] = rest {
        rest = after;
    }
    rest
}

/// What follows a text whose opening quote has been taken. Halves of surrogate pairs pass: whoever reads the text decides.
fn after_text(json: &[u8]) -> Option<&[u8]> {
    let mut rest = json;
    loop {
        rest = match rest.get(plain_len(rest)..)? {
            [b'"', after @ ..] => return Some(after),
            [b'\\', b'u', digits @ ..] => {
                let (digits, after) = digits.split_first_chunk::<4>()?;
                digits.iter().all(u8::is_ascii_hexdigit).then_some(after)?
            }
            [b'\\', b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't', after @ ..] => after,
            _ => return None,
        };
    }
}

/// What follows a number, if it is one that a double holds for certain.
fn after_number(json: &[u8]) -> Option<&[u8]> {
    let json = json.strip_prefix(b"-").unwrap_or(json);
    let after = after_digits(json);
    let len = json.len() - after.len();
    if len == 0 || len > DIGITS_MAX || (len > 1 && json.starts_with(b"0")) {
        return None;
    }
    let mut rest = after;
    if let [b'.', fraction @ ..] = rest {
        rest = after_digits(fraction);
        if rest.len() == fraction.len() {
            return None;
        }
    }
    if let [b'e' | b'E', exponent @ ..] = rest {
        let exponent = exponent.strip_prefix(b"+").or_else(|| exponent.strip_prefix(b"-")).unwrap_or(exponent);
        rest = after_digits(exponent);
        if !matches!(exponent.len() - rest.len(), 1 | 2) {
            return None;
        }
    }
    Some(rest)
}

fn after_digits(json: &[u8]) -> &[u8] {
    let mut rest = json;
    while let [b'0'..=b'9', after @ ..] = rest {
        rest = after;
    }
    rest
}
