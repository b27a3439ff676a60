//! The Nest wire as the load program needs it: requests written in few instructions, replies taken apart at known places.
//!
//! Everything it sends is ASCII, and so is what it gets back, so that the length of a frame is its number of bytes.

use serde::Deserialize;
use serde_json::value::RawValue;

/// As many characters as NestJS's ids have.
const ID_LEN: usize = 21;
const SLOT_LEN: usize = 8;
/// A header longer than this is none.
const HEADER_LEN_MAX: usize = 12;

/// Which place of a connection a request has, and how many had it before.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Id {
    pub(crate) slot: u32,
    pub(crate) turn: u32,
}

impl Id {
    /// Its text: both numbers in hexadecimal.
    pub(crate) fn text(self) -> [u8; ID_LEN] {
        let mut text = [b'0'; ID_LEN];
        hex(self.slot, &mut text[..SLOT_LEN]);
        hex(self.turn, &mut text[SLOT_LEN..]);
        text
    }

    fn read(text: &[u8]) -> Option<Self> {
        if text.len() != ID_LEN {
            return None;
        }
        Some(Self { slot: unhex(&text[..SLOT_LEN])?, turn: unhex(&text[SLOT_LEN..])? })
    }
}

fn hex(mut number: u32, text: &mut [u8]) {
    for byte in text.iter_mut().rev() {
        *byte = b"0123456789abcdef"[(number % 16) as usize];
        number /= 16;
    }
}

fn unhex(text: &[u8]) -> Option<u32> {
    text.iter().try_fold(0_u32, |number, byte| {
        let digit = char::from(*byte).to_digit(16)?;
        number.checked_mul(16)?.checked_add(digit)
    })
}

/// Appends a frame whose body is these pieces.
pub(crate) fn frame(out: &mut Vec<u8>, pieces: &[&[u8]]) {
    decimal(out, pieces.iter().map(|piece| piece.len() as u64).sum());
    out.push(b'#');
    pieces.iter().for_each(|piece| out.extend_from_slice(piece));
}

/// Appends a number.
pub(crate) fn decimal(out: &mut Vec<u8>, mut number: u64) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

/// Where the first body of `bytes` begins and ends; `None` while some of it is missing.
pub(crate) fn body(bytes: &[u8]) -> Result<Option<(usize, usize)>, String> {
    let mut len: usize = 0;
    for (at, byte) in bytes.iter().take(HEADER_LEN_MAX).enumerate() {
        match byte {
            b'0'..=b'9' => len = len * 10 + usize::from(byte - b'0'),
            b'#' if at > 0 => {
                let (begin, end) = (at + 1, at + 1 + len);
                return Ok((end <= bytes.len()).then_some((begin, end)));
            }
            _ => break,
        }
    }
    let digits = bytes.iter().all(u8::is_ascii_digit);
    if digits && bytes.len() < HEADER_LEN_MAX { Ok(None) } else { Err("what came is no frame".to_owned()) }
}

/// A reply that is no error.
#[derive(Debug, PartialEq)]
pub(crate) struct Reply<'a> {
    pub(crate) id: Id,
    /// The JSON of its value; nothing when it only ends.
    pub(crate) value: Option<&'a [u8]>,
    pub(crate) last: bool,
}

const VALUE: &[u8] = br#"{"response":"#;
const LAST: &[u8] = br#","isDisposed":true"#;
const ID: &[u8] = br#","id":""#;
const END: &[u8] = br#""}"#;

impl<'a> Reply<'a> {
    /// Takes a body apart: at once if its members stand in NestJS's order, as JSON otherwise.
    pub(crate) fn read(body: &'a [u8]) -> Result<Self, String> {
        Self::usual(body).map_or_else(|| Self::any(body), Ok)
    }

    fn usual(body: &'a [u8]) -> Option<Self> {
        let rest = body.strip_prefix(VALUE)?.strip_suffix(END)?;
        let (rest, id) = rest.split_at_checked(rest.len().checked_sub(ID_LEN)?)?;
        let rest = rest.strip_suffix(ID)?;
        let (value, last) = rest.strip_suffix(LAST).map_or((rest, false), |value| (value, true));
        Some(Self { id: Id::read(id)?, value: Some(value), last })
    }

    fn any(body: &'a [u8]) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct Members<'a> {
            id: &'a str,
            #[serde(borrow)]
            response: Option<&'a RawValue>,
            #[serde(borrow)]
            err: Option<&'a RawValue>,
            #[serde(default, rename = "isDisposed")]
            last: bool,
        }
        let members: Members<'_> = serde_json::from_slice(body).map_err(|error| format!("no reply: {error}"))?;
        if let Some(err) = members.err {
            return Err(format!("the server answers with the error {err}"));
        }
        let id = Id::read(members.id.as_bytes()).ok_or("a reply to nobody's request")?;
        Ok(Self { id, value: members.response.map(|value| value.get().as_bytes()), last: members.last })
    }

    /// Reads one of our own requests as it comes back from a server that only returns bytes.
    pub(crate) fn returned(body: &'a [u8]) -> Result<Self, String> {
        const DATA: &[u8] = br#","data":"#;
        let rest = body.strip_suffix(END).ok_or("what came back is not what was sent")?;
        let (rest, id) = rest.split_at_checked(rest.len().saturating_sub(ID_LEN)).ok_or("too short")?;
        let rest = rest.strip_suffix(ID).ok_or("what came back has no id")?;
        let data = rest.windows(DATA.len()).take(64).position(|window| window == DATA).ok_or("no data came back")?;
        let id = Id::read(id).ok_or("what came back has no id")?;
        Ok(Self { id, value: Some(&rest[data + DATA.len()..]), last: true })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOME: Id = Id { slot: 0x1f, turn: 0xab };
    const TEXT: &str = "0000001f00000000000ab";

    #[test]
    fn an_id_is_read_as_it_was_written() {
        assert_eq!(SOME.text(), TEXT.as_bytes());
        assert_eq!(Id::read(TEXT.as_bytes()), Some(SOME));
        assert_eq!(Id::read(b"0"), None);
        assert_eq!(Id::read(b"0000001f00000000000aX"), None);
    }

    #[test]
    fn a_frame_is_found_when_all_of_it_is_there() {
        let mut out = Vec::new();
        frame(&mut out, &[b"0123", b"456789"]);
        assert_eq!(out, b"10#0123456789");
        assert_eq!(body(&out), Ok(Some((3, 13))));
        for len in 0..out.len() {
            assert_eq!(body(&out[..len]), Ok(None), "{len}");
        }
        assert!(body(b"1x#").is_err());
        assert!(body(b"#").is_err());
        assert!(body(b"1234567890123").is_err());
    }

    #[test]
    fn replies_are_read_in_the_usual_order_and_in_any() {
        let reply = Reply { id: SOME, value: Some(b"15"), last: true };
        for text in [
            format!(r#"{{"response":15,"isDisposed":true,"id":"{TEXT}"}}"#),
            format!(r#"{{"id":"{TEXT}","response":15,"isDisposed":true}}"#),
        ] {
            assert_eq!(Reply::read(text.as_bytes()), Ok(Reply { ..reply }), "{text}");
        }
        let item = format!(r#"{{"response":"a","id":"{TEXT}"}}"#);
        assert_eq!(Reply::read(item.as_bytes()), Ok(Reply { id: SOME, value: Some(br#""a""#), last: false }));
        let end = format!(r#"{{"isDisposed":true,"id":"{TEXT}"}}"#);
        assert_eq!(Reply::read(end.as_bytes()), Ok(Reply { id: SOME, value: None, last: true }));
    }

    #[test]
    fn an_error_is_no_answer() {
        let error = format!(r#"{{"err":"no","isDisposed":true,"id":"{TEXT}"}}"#);
        assert!(Reply::read(error.as_bytes()).unwrap_err().contains("\"no\""));
        assert!(Reply::read(b"{}").is_err());
    }

    #[test]
    fn a_request_that_comes_back_is_read() {
        let request = format!(r#"{{"pattern":"math.sum","data":[1,2],"id":"{TEXT}"}}"#);
        assert_eq!(Reply::returned(request.as_bytes()), Ok(Reply { id: SOME, value: Some(b"[1,2]"), last: true }));
        assert!(Reply::returned(b"{}").is_err());
    }
}
