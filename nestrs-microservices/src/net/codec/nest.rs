//! NestJS's frames: `<length>#<JSON text>` (NestJS fact sheet, section 6.1).
//!
//! ```text
//! 69#{"pattern":{"cmd":"sum"},"data":[1,2,3],"id":"2aebb95c9883b1b9b009c"}
//! ┬─ ┬──────────────────────────────────────────────────────────────────
//! │  └ the body, UTF-8
//! └ how many UTF-16 code units the body has, in ASCII digits
//! ```

use bytes::{Buf, Bytes, BytesMut};
use thiserror::Error;

/// A header is optional white space, digits and `#`, in no more bytes than this.
const HEADER_LEN_MAX: usize = 16;
const DIGITS_MAX: usize = 10;
/// Bytes whose units are counted together: two for each are no more than a byte can hold.
const BLOCK: usize = 64;
/// Texts up to this are looked at as a whole, longer ones up to the first byte that is not ASCII.
const SHORT_MAX: usize = 4096;

/// Why bytes are no frame. After any of these the stream has lost its place and must be closed.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum FrameError {
    /// A byte that does not belong into a header, or a header that does not end.
    #[error("malformed frame header")]
    Header,
    /// The header announces more than the limit, or the body has more bytes than it.
    #[error("frame of {announced} units exceeds the limit of {max} bytes")]
    TooLarge {
        /// The announced length, in UTF-16 code units.
        announced: usize,
        /// The limit, in bytes.
        max: usize,
    },
    /// The announced length ends between the two halves of a surrogate pair.
    #[error("frame length ends inside a character")]
    InsideCharacter,
    /// The body is not UTF-8.
    #[error("frame body is not UTF-8")]
    Utf8,
}

/// Finds frames in a growing buffer, however the bytes arrive.
///
/// Work is linear in the bytes received, whatever their fragments: a byte of a body is counted once and checked once, and
/// what is there too early is not looked at. No
/// storage is allocated for an announced length; the buffer grows by what has really arrived.
///
/// ```
/// use bytes::BytesMut;
/// use nestrs_microservices::net::codec::NestDecoder;
///
/// let mut decoder = NestDecoder::new(1024);
/// let mut buffer = BytesMut::from(r#"6#"abcd"8#"é漢"#);
/// assert_eq!(decoder.decode(&mut buffer).unwrap().as_deref(), Some(r#""abcd""#.as_bytes()));
/// assert_eq!(decoder.decode(&mut buffer).unwrap(), None);
/// ```
#[derive(Debug)]
pub struct NestDecoder {
    max_frame_bytes: usize,
    body: Option<Body>,
}

/// A body whose header has been taken off the buffer.
#[derive(Debug)]
struct Body {
    announced: usize,
    /// Units not seen yet.
    missing: usize,
    /// Bytes of the buffer that have been counted.
    counted: usize,
    /// Bytes of the last counted character that are still to come.
    tail: usize,
}

impl NestDecoder {
    /// A decoder that refuses bodies of more than `max_frame_bytes` bytes.
    #[must_use]
    pub const fn new(max_frame_bytes: usize) -> Self {
        Self { max_frame_bytes, body: None }
    }

    /// True when the last bytes seen left a frame unfinished, given what is still buffered.
    #[must_use]
    pub fn is_inside_frame(&self, buffer: &[u8]) -> bool {
        self.body.is_some() || buffer.iter().any(|byte| !byte.is_ascii_whitespace())
    }

    /// How many bytes the body that has begun will have, at least and at most. `None` before the end of its header.
    pub(crate) fn body_len(&self) -> Option<(usize, usize)> {
        // A unit is one to three bytes, or half of four.
        let body = self.body.as_ref()?;
        let most = body.missing.saturating_mul(3).saturating_add(body.counted + body.tail);
        Some((body.counted.saturating_add(body.missing.max(body.tail)), most.min(self.max_frame_bytes)))
    }

    /// Takes the next complete body off `buffer`, or `None` when more bytes are needed. The body is valid UTF-8.
    ///
    /// # Errors
    /// [`FrameError`], as soon as the bytes show it: a bad header at its first wrong byte, a body that is too large
    /// before any of it is kept.
    pub fn decode(&mut self, buffer: &mut BytesMut) -> Result<Option<Bytes>, FrameError> {
        let (header_len, mut body) = match self.body.take() {
            Some(body) => (0, body),
            None => {
                let Some((header_len, announced)) = self.header(buffer)? else { return Ok(None) };
                (header_len, Body { announced, missing: announced, counted: 0, tail: 0 })
            }
        };
        // Of ASCII, which most bodies are, a unit is a byte: there is nothing to count, and nothing that is no UTF-8.
        let end = header_len.saturating_add(body.missing);
        let in_ascii = buffer.get(header_len..end).filter(|text| body.counted == 0 && is_ascii(text));
        if in_ascii.is_some() {
            #[cfg(test)]
            tests::looked_at(body.missing);
            // Taken off together with its header: forgetting that is cheaper on this side.
            let mut frame = buffer.split_to(end).freeze();
            frame.advance(header_len);
            return Ok(Some(frame));
        }
        buffer.advance(header_len);
        if !body.advance(buffer, self.max_frame_bytes)? {
            self.body = Some(body);
            return Ok(None);
        }
        let text = buffer.split_to(body.counted).freeze();
        #[cfg(test)]
        tests::looked_at(text.len());
        if std::str::from_utf8(&text).is_err() {
            return Err(FrameError::Utf8);
        }
        Ok(Some(text))
    }

    /// The length of the header at the start of `buffer`, and what it announces.
    fn header(&self, buffer: &[u8]) -> Result<Option<(usize, usize)>, FrameError> {
        let start = buffer.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        let mut announced: usize = 0;
        for (at, byte) in buffer.iter().enumerate().skip(start) {
            match byte {
                _ if at >= HEADER_LEN_MAX => return Err(FrameError::Header),
                b'0'..=b'9' if at - start < DIGITS_MAX => {
                    // Ten digits fit into 64 bits.
                    announced = announced.saturating_mul(10).saturating_add(usize::from(byte - b'0'));
                }
                b'#' if at > start => {
                    // An empty body is no JSON; it is refused there.
                    if announced > self.max_frame_bytes {
                        return Err(FrameError::TooLarge { announced, max: self.max_frame_bytes });
                    }
                    return Ok(Some((at + 1, announced)));
                }
                _ => return Err(FrameError::Header),
            }
        }
        if start >= HEADER_LEN_MAX { Err(FrameError::Header) } else { Ok(None) }
    }
}

impl Body {
    /// Counts what has arrived; true when the body is complete.
    fn advance(&mut self, buffer: &[u8], max_bytes: usize) -> Result<bool, FrameError> {
        loop {
            let rest = buffer.get(self.counted..).unwrap_or_default();
            if self.missing == 0 {
                if rest.len() < self.tail {
                    return self.check_bytes(self.counted + rest.len(), max_bytes).map(|()| false);
                }
                self.counted += std::mem::take(&mut self.tail);
                return self.check_bytes(self.counted, max_bytes).map(|()| true);
            }
            // With fewer bytes than units nothing can be complete, so there is nothing to count yet: a body that comes byte
            // by byte is counted in a few large pieces.
            if rest.len() < self.missing && self.check_bytes(self.counted + rest.len(), max_bytes).is_ok() {
                return Ok(false);
            }
            if rest.is_empty() {
                return Ok(false);
            }
            // No byte begins more than one unit but the first of four, so this much cannot run past the end by more
            // than half a surrogate pair.
            let chunk = rest.get(..self.missing).unwrap_or(rest);
            if self.count(chunk, max_bytes).is_err() {
                // Something in it is wrong. The first wrong byte tells what, however the bytes arrived.
                for byte in chunk.chunks(1) {
                    if self.missing > 0 {
                        self.count(byte, max_bytes)?;
                    }
                }
            }
        }
    }

    /// Counts `chunk`, or leaves everything as it is when that breaks a rule.
    fn count(&mut self, chunk: &[u8], max_bytes: usize) -> Result<(), FrameError> {
        #[cfg(test)]
        tests::looked_at(chunk.len() + chunk.len().min(4));
        let missing = self.missing.checked_sub(units_begun(chunk)).ok_or(FrameError::InsideCharacter)?;
        let counted = self.counted + chunk.len();
        self.check_bytes(counted, max_bytes)?;
        let tail = bytes_to_come(chunk, self.tail);
        (self.missing, self.counted, self.tail) = (missing, counted, tail);
        Ok(())
    }

    /// Valid UTF-8 has at most three bytes a unit; anything longer is neither text nor within the limit.
    fn check_bytes(&self, counted: usize, max_bytes: usize) -> Result<(), FrameError> {
        let text_max = self.announced.saturating_mul(3);
        match counted {
            _ if counted <= max_bytes.min(text_max) => Ok(()),
            // Whichever is passed first, also where many bytes pass both at once.
            _ if text_max < max_bytes => Err(FrameError::Utf8),
            _ => Err(FrameError::TooLarge { announced: self.announced, max: max_bytes }),
        }
    }
}

/// `<[u8]>::is_ascii` for texts of any length: of one as short as most messages, std's looks at up to a third of the bytes
/// one by one.
pub(crate) fn is_ascii(text: &[u8]) -> bool {
    const HIGH: u64 = u64::from_ne_bytes([0x80; 8]);
    if text.len() > SHORT_MAX {
        return text.is_ascii();
    }
    let (words, rest) = text.as_chunks();
    let bits = words.iter().fold(0, |bits, word| bits | u64::from_ne_bytes(*word));
    // Some bytes of the last word for a second time, which changes nothing.
    let last = match text.last_chunk() {
        Some(word) => u64::from_ne_bytes(*word),
        None => rest.iter().fold(0, |bits, byte| bits << 8 | u64::from(*byte)),
    };
    (bits | last) & HIGH == 0
}

/// How many UTF-16 code units the characters take whose first byte is in `bytes`.
fn units_begun(bytes: &[u8]) -> usize {
    // Block by block in sums that a byte can hold: that is what the compiler turns into vector instructions.
    let units = |byte: &u8| u8::from(*byte & 0xC0 != 0x80) + u8::from((0xF0..=0xF4).contains(byte));
    bytes.chunks(BLOCK).map(|block| usize::from(block.iter().map(units).sum::<u8>())).sum()
}

/// How many bytes of the last character of `chunk` are missing; `before` were missing when it began.
fn bytes_to_come(chunk: &[u8], before: usize) -> usize {
    let continued = chunk.iter().rev().take(3).take_while(|byte| **byte & 0xC0 == 0x80).count();
    match chunk.len().checked_sub(continued + 1).and_then(|at| chunk.get(at)) {
        Some(first) => {
            let length = match first {
                0xC0..=0xDF => 2,
                0xE0..=0xEF => 3,
                0xF0..=0xF4 => 4,
                _ => 1,
            };
            usize::saturating_sub(length, continued + 1)
        }
        // The chunk is all continuation bytes.
        None => before.saturating_sub(chunk.len()),
    }
}

/// The length of `text` as NestJS counts it: UTF-16 code units, as JavaScript's `string.length`.
///
/// ```
/// use nestrs_microservices::net::codec::utf16_len;
/// assert_eq!(utf16_len("é漢😀".as_bytes()), 4);
/// ```
#[must_use]
pub fn utf16_len(text: &[u8]) -> usize {
    units_begun(text)
}

/// Writes the header of a frame whose body has `units` UTF-16 code units.
pub fn write_frame_header(out: &mut Vec<u8>, units: usize) {
    match units {
        // Most bodies: without a loop, and in one piece.
        100..1000 => out.extend_from_slice(&[digit(units / 100), digit(units / 10), digit(units), b'#']),
        10..100 => out.extend_from_slice(&[digit(units / 10), digit(units), b'#']),
        _ => {
            write_digits(out, units);
            out.push(b'#');
        }
    }
}

/// The last digit of a number.
const fn digit(number: usize) -> u8 {
    b'0' + (number % 10) as u8
}

#[inline(never)]
fn write_digits(out: &mut Vec<u8>, units: usize) {
    // As many digits as the largest number has.
    let mut digits = [0_u8; 20];
    let (mut rest, mut count) = (units, 0);
    for place in digits.iter_mut().rev() {
        *place = digit(rest);
        rest /= 10;
        count += 1;
        if rest == 0 {
            break;
        }
    }
    out.extend_from_slice(digits.get(digits.len() - count..).unwrap_or_default());
}

#[cfg(test)]
mod tests;
