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
#[inline]
fn member<'a, const N: usize>(rest: &mut &'a [u8], key: &[u8; N]) -> Option<&'a [u8]> {
    // Of a length that is known here, so this is a comparison or two of whole words.
    let (first, from) = rest.split_first_chunk::<N>()?;
    if first != key {
        return None;
    }
    let (value, after) = from.split_at_checked(value_len(from)?)?;
    *rest = after;
    Some(value)
}

/// The byte at a place; past the end a zero, which stands nowhere in JSON.
#[inline]
fn byte(json: &[u8], at: usize) -> u8 {
    json.get(at).copied().unwrap_or(0)
}

/// How long the value at the start of `json` is.
#[inline(never)] // Once for all members: it is as fast, and four times as small.
fn value_len(json: &[u8]) -> Option<usize> {
    let mut at = 0;
    // A bit for each bracket that is open, the innermost lowest: 1 is an object. Above them a 1 that stays.
    let mut open = 1_u64;
    loop {
        at = match byte(json, at) {
            digit if digit.is_ascii_digit() => numbers_end(json, at, open & 1 == 0)?,
            b'"' => text_end(json, at + 1)?,
            b'[' => {
                at = space_end(json, at + 1);
                if byte(json, at) != b']' {
                    open = inside(open, 0)?;
                    continue;
                }
                at + 1
            }
            b'{' => {
                at = space_end(json, at + 1);
                if byte(json, at) != b'}' {
                    open = inside(open, 1)?;
                    at = key_end(json, at)?;
                    continue;
                }
                at + 1
            }
            b'-' if byte(json, at + 1).is_ascii_digit() => numbers_end(json, at + 1, false)?,
            b't' | b'f' | b'n' => word_end(json, at)?,
            _ => return None,
        };
        // A value has ended, and with it whatever it is the last of.
        loop {
            if open == 1 {
                return Some(at);
            }
            let in_object = open & 1 == 1;
            let next = byte(json, at);
            if next == b',' {
                at = space_end(json, at + 1);
                if in_object {
                    at = key_end(json, at)?;
                }
                break;
            }
            if next == if in_object { b'}' } else { b']' } {
                (open, at) = (open >> 1, at + 1);
            } else {
                let end = space_end(json, at);
                if end == at {
                    return None;
                }
                at = end;
            }
        }
    }
}

/// One bracket deeper; half as deep as JSON may be is deep enough for what is usual.
const fn inside(open: u64, kind: u64) -> Option<u64> {
    if open.leading_zeros() == 0 { None } else { Some(open << 1 | kind) }
}

/// Where the value of a member begins whose key is to begin at `at`.
#[inline]
fn key_end(json: &[u8], at: usize) -> Option<usize> {
    if byte(json, at) != b'"' {
        return None;
    }
    let colon = space_end(json, text_end(json, at + 1)?);
    (byte(json, colon) == b':').then(|| space_end(json, colon + 1))
}

#[inline]
fn space_end(json: &[u8], at: usize) -> usize {
    if byte(json, at) > b' ' { at } else { any_space_end(json, at) }
}

#[cold]
#[inline(never)]
fn any_space_end(json: &[u8], from: usize) -> usize {
    let is_space = |byte: &&u8| matches!(byte, b' ' | b'\t' | b'\r' | b'\n');
    from + json.get(from..).unwrap_or_default().iter().take_while(is_space).count()
}

#[inline(never)]
fn word_end(json: &[u8], at: usize) -> Option<usize> {
    let rest = json.get(at..)?;
    let word = [&b"true"[..], b"false", b"null"].into_iter().find(|word| rest.starts_with(word))?;
    Some(at + word.len())
}

/// The end of a text whose first byte after the quote is at `from`. Halves of surrogate pairs pass: whoever reads the text
/// decides.
#[inline]
fn text_end(json: &[u8], from: usize) -> Option<usize> {
    let at = from + plain_len(json.get(from..)?);
    if byte(json, at) == b'"' { Some(at + 1) } else { escaped_text_end(json, at) }
}

#[inline(never)]
fn escaped_text_end(json: &[u8], from: usize) -> Option<usize> {
    let mut rest = json.get(from..)?;
    loop {
        rest = match rest.get(plain_len(rest)..)? {
            [b'"', after @ ..] => return Some(json.len() - after.len()),
            [b'\\', b'u', digits @ ..] => {
                let (digits, after) = digits.split_first_chunk::<4>()?;
                digits.iter().all(u8::is_ascii_hexdigit).then_some(after)?
            }
            [b'\\', b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't', after @ ..] => after,
            _ => return None,
        };
    }
}

/// The end of the number whose first digit is at `from`, if a double holds it for certain; in an array, of all the whole
/// numbers that follow it with nothing but a comma between them.
#[inline]
fn numbers_end(json: &[u8], from: usize, in_array: bool) -> Option<usize> {
    let mut start = from;
    loop {
        let mut end = start + 1;
        let mut next = byte(json, end);
        while next.is_ascii_digit() {
            end += 1;
            next = byte(json, end);
        }
        let len = end - start;
        if len > 1 && (len > DIGITS_MAX || byte(json, start) == b'0') {
            return None;
        }
        if next == b',' && in_array && byte(json, end + 1).is_ascii_digit() {
            start = end + 1;
            continue;
        }
        return if matches!(next, b'.' | b'e' | b'E') { fraction_end(json, end) } else { Some(end) };
    }
}

/// The end of a number whose whole part ends at `from`.
#[inline(never)]
fn fraction_end(json: &[u8], from: usize) -> Option<usize> {
    let mut end = from;
    if byte(json, from) == b'.' {
        end = digits_end(json, from + 1);
        if end == from + 1 {
            return None;
        }
    }
    if matches!(byte(json, end), b'e' | b'E') {
        let start = end + 1 + usize::from(matches!(byte(json, end + 1), b'+' | b'-'));
        end = digits_end(json, start);
        if !matches!(end - start, 1 | 2) {
            return None;
        }
    }
    Some(end)
}

fn digits_end(json: &[u8], from: usize) -> usize {
    from + json.get(from..).unwrap_or_default().iter().take_while(|byte| byte.is_ascii_digit()).count()
}
