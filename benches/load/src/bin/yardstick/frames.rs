//! Nest's frames: bodies cut out of what arrives, however it is cut, and replies put behind their lengths.

use std::io::{self, ErrorKind};

use serde::Serialize;

const FRAME_MAX: usize = 64 * 1024 * 1024;
const DIGITS_MAX: usize = 10;

/// What has come of a frame that is not whole.
#[derive(Debug, Default)]
pub(crate) struct Frames {
    partial: Vec<u8>,
    /// Of `partial`, when its header is read.
    body: Option<Body>,
}

/// A body that is being counted: in UTF-16 code units, as its header does.
#[derive(Clone, Copy, Debug)]
struct Body {
    begin: usize,
    counted: usize,
    missing: usize,
}

impl Frames {
    /// The buffer to read into while a frame is incomplete.
    pub(crate) fn partial(&mut self) -> Option<&mut Vec<u8>> {
        if self.partial.is_empty() {
            return None;
        }
        let missing = self.body.map_or(0, |body| body.missing);
        self.partial.reserve(missing.clamp(4 * 1024, 1024 * 1024));
        Some(&mut self.partial)
    }

    /// Hands over every whole body; `input` counts only while nothing is incomplete.
    pub(crate) fn each(&mut self, input: &[u8], mut handle: impl FnMut(&str) -> io::Result<()>) -> io::Result<()> {
        if self.partial.is_empty() {
            let mut body = None;
            let taken = all(input, &mut body, &mut handle)?;
            self.partial.extend_from_slice(&input[taken..]);
            self.body = body;
        } else {
            let taken = all(&self.partial, &mut self.body, &mut handle)?;
            if taken == self.partial.len() {
                // Nothing is kept for a connection that is idle.
                self.partial = Vec::new();
            } else {
                self.partial.drain(..taken);
            }
        }
        Ok(())
    }
}

/// Hands over the whole bodies in `bytes`, and says where the incomplete one begins.
fn all(bytes: &[u8], body: &mut Option<Body>, handle: &mut impl FnMut(&str) -> io::Result<()>) -> io::Result<usize> {
    let mut start = 0;
    while start < bytes.len() {
        let mut found = match body.take() {
            Some(body) => body,
            None => match header(&bytes[start..])? {
                Some(body) => body,
                None => break,
            },
        };
        let begin = start + found.begin;
        found.count(&bytes[begin..])?;
        if found.missing > 0 {
            *body = Some(found);
            break;
        }
        let end = begin + found.counted;
        handle(std::str::from_utf8(&bytes[begin..end]).map_err(|_| bad("not UTF-8"))?)?;
        start = end;
    }
    Ok(start)
}

fn header(bytes: &[u8]) -> io::Result<Option<Body>> {
    let mut units: usize = 0;
    for (at, byte) in bytes.iter().enumerate() {
        match byte {
            b'0'..=b'9' if at < DIGITS_MAX => units = units * 10 + usize::from(byte - b'0'),
            b'#' if at > 0 && units <= FRAME_MAX => {
                return Ok(Some(Body { begin: at + 1, counted: 0, missing: units }));
            }
            _ => return Err(bad("no header")),
        }
    }
    Ok(None)
}

impl Body {
    /// Goes on counting. A character is complete when the byte after it is none of its own, or when it is as long as its
    /// first byte says.
    fn count(&mut self, bytes: &[u8]) -> io::Result<()> {
        while self.missing > 0 && self.counted < bytes.len() {
            let rest = &bytes[self.counted..];
            // A stretch of ASCII: as many units as bytes.
            let stretch = &rest[..rest.len().min(self.missing)];
            if stretch.is_ascii() {
                self.counted += stretch.len();
                self.missing -= stretch.len();
                continue;
            }
            let ascii = stretch.iter().take_while(|byte| byte.is_ascii()).count();
            self.counted += ascii;
            self.missing -= ascii;
            let (len, units) = match rest.get(ascii) {
                Some(0xc2..=0xdf) => (2, 1),
                Some(0xe0..=0xef) => (3, 1),
                Some(0xf0..=0xf4) => (4, 2),
                Some(0..=0x7f) | None => continue,
                _ => return Err(bad("not UTF-8")),
            };
            if rest.len() < ascii + len {
                return Ok(());
            }
            self.counted += len;
            self.missing = self.missing.checked_sub(units).ok_or_else(|| bad("a length inside a character"))?;
        }
        if self.counted > FRAME_MAX { Err(bad("a frame too long")) } else { Ok(()) }
    }
}

fn bad(why: &'static str) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, why)
}

/// A reply on its way out.
pub(crate) struct Reply<'a, T> {
    pub(crate) value: &'a T,
    pub(crate) last: bool,
    pub(crate) id: &'a str,
}

impl<T: Serialize> Reply<'_, T> {
    /// Appends it. `expected` is about how long it will be: its length goes into a hole of as many digits.
    pub(crate) fn write(&self, output: &mut Vec<u8>, expected: usize) -> io::Result<()> {
        let hole = digits(expected);
        let at = output.len();
        output.resize(at + hole + 1, b'#');
        output.extend_from_slice(br#"{"response":"#);
        serde_json::to_writer(&mut *output, self.value)?;
        if self.last {
            output.extend_from_slice(br#","isDisposed":true"#);
        }
        output.extend_from_slice(br#","id":"#);
        output.extend_from_slice(self.id.as_bytes());
        output.push(b'}');
        close(output, at, hole);
        Ok(())
    }
}

/// What NestJS answers where there is no handler.
pub(crate) fn not_found(output: &mut Vec<u8>, id: &str) {
    let at = output.len();
    output.extend_from_slice(b"###");
    output.extend_from_slice(br#"#{"id":"#);
    output.extend_from_slice(id.as_bytes());
    output.extend_from_slice(
        br#","status":"error","err":"There is no matching message handler defined in the remote service."}"#,
    );
    close(output, at, 3);
}

/// What it answers where the payload is none of the handler's.
pub(crate) fn unreadable(output: &mut Vec<u8>, why: &serde_json::Error, id: &str) {
    let why = serde_json::Value::String(why.to_string());
    let body = format!(r#"{{"err":{why},"isDisposed":true,"id":{id}}}"#);
    output.extend_from_slice(format!("{}#{body}", units(body.as_bytes())).as_bytes());
}

/// Writes the length of the body behind the hole at `at`.
pub(crate) fn close(output: &mut Vec<u8>, at: usize, hole: usize) {
    let body = &output[at + hole + 1..];
    let units = if body.is_ascii() { body.len() } else { units(body) };
    let needed = digits(units);
    if needed > hole {
        output.splice(at..at, std::iter::repeat_n(b'0', needed - hole));
    } else if needed < hole {
        output.drain(at..at + hole - needed);
    }
    let mut rest = units;
    for digit in output[at..at + needed].iter_mut().rev() {
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
}

/// UTF-16 code units: one for each character, two for each of four bytes.
fn units(text: &[u8]) -> usize {
    text.iter().filter(|byte| **byte & 0xc0 != 0x80).count() + text.iter().filter(|byte| **byte >= 0xf0).count()
}

fn digits(number: usize) -> usize {
    number.checked_ilog10().unwrap_or(0) as usize + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bodies(pieces: &[&[u8]]) -> io::Result<Vec<String>> {
        let (mut frames, mut found) = (Frames::default(), Vec::new());
        for piece in pieces {
            let mut keep = |body: &str| {
                found.push(body.to_owned());
                Ok(())
            };
            match frames.partial() {
                Some(partial) => {
                    partial.extend_from_slice(piece);
                    frames.each(&[], &mut keep)?;
                }
                None => frames.each(piece, &mut keep)?,
            }
        }
        assert!(frames.partial.is_empty(), "{frames:?}");
        Ok(found)
    }

    #[test]
    fn frames_are_found_however_they_are_cut() {
        let bytes = "6#\"abcd\"8#\"é漢😀ab\"2#{}".as_bytes();
        let whole = bodies(&[bytes]).unwrap();
        assert_eq!(whole, ["\"abcd\"", "\"é漢😀ab\"", "{}"]);
        let each: Vec<_> = bytes.chunks(1).collect();
        assert_eq!(bodies(&each).unwrap(), whole);
        for at in 0..bytes.len() {
            assert_eq!(bodies(&[&bytes[..at], &bytes[at..]]).unwrap(), whole, "{at}");
        }
    }

    #[test]
    fn what_is_no_frame_ends_it() {
        for bytes in ["x#", "#", "99999999999#", "70000000#", "2#\"\u{1F600}\""] {
            assert!(bodies(&[bytes.as_bytes()]).is_err(), "{bytes}");
        }
        assert!(bodies(&[b"2#\xff\xff"]).is_err());
    }

    #[test]
    fn the_length_is_right_whatever_was_expected() {
        for (text, expected) in [("a", 1), ("a", 100), ("a", 100_000), ("é漢😀", 50)] {
            let mut output = b"before".to_vec();
            Reply { value: &text, last: true, id: "7" }.write(&mut output, expected).unwrap();
            let body = format!(r#"{{"response":"{text}","isDisposed":true,"id":7}}"#);
            let frame = format!("before{}#{body}", body.encode_utf16().count());
            assert_eq!(String::from_utf8(output).unwrap(), frame);
        }
        let mut output = Vec::new();
        not_found(&mut output, "\"1\"");
        assert_eq!(bodies(&[&output]).unwrap().len(), 1);
    }
}
