//! Frames, against a decoder that is slow and obvious.

use bytes::BytesMut;
use nestrs_microservices::net::codec::{FrameError, NestDecoder, utf16_len};

/// What a stream of bytes comes to.
#[derive(Debug, PartialEq)]
struct Decoded {
    bodies: Vec<Vec<u8>>,
    error: Option<FrameError>,
    /// Whether the stream ends inside a frame; of no meaning after an error.
    inside: bool,
}

/// How the reference sees the end of a stream.
#[derive(Debug)]
enum End {
    /// Between frames, or in one that may still become whole.
    Open {
        inside: bool,
    },
    Fault(FrameError),
    /// No frame can come of this; the fault may wait for a few more bytes, unless it is overdue.
    Doomed {
        overdue: bool,
    },
}

/// Decodes `stream` whole, byte by byte and cut as `cuts` says, which must be the same, and what the reference says;
/// storage stays within FR-4 all the while.
pub(crate) fn check(stream: &[u8], max_frame_bytes: usize, cuts: &[u8]) {
    let whole = decode([stream], max_frame_bytes);
    assert_eq!(whole, decode(stream.chunks(1), max_frame_bytes), "whole, and byte by byte");
    assert_eq!(whole, decode(pieces(stream, cuts), max_frame_bytes), "whole, and in pieces of {cuts:?}");

    let (bodies, end) = reference(stream, max_frame_bytes);
    assert_eq!(whole.bodies, bodies, "the bodies");
    match end {
        End::Open { inside } => assert_eq!((whole.error, whole.inside), (None, inside)),
        End::Fault(error) => assert_eq!(whole.error, Some(error)),
        End::Doomed { overdue } => assert!(whole.error.is_some() || !overdue, "no fault in {stream:?}"),
    }
}

/// Frames with a true length around `bodies`, which are taken as text.
pub(crate) fn framed<'a>(bodies: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut stream = Vec::new();
    for body in bodies {
        let text = String::from_utf8_lossy(body);
        let units = text.encode_utf16().count();
        assert_eq!(utf16_len(text.as_bytes()), units, "{text:?}");
        stream.extend_from_slice(format!("{units}#{text}").as_bytes());
    }
    stream
}

/// `stream` in pieces, whose lengths repeat after the last.
fn pieces<'a>(stream: &'a [u8], cuts: &[u8]) -> Vec<&'a [u8]> {
    let (mut rest, mut pieces) = (stream, Vec::new());
    let mut lengths = cuts.iter().map(|cut| usize::from(*cut) + 1).cycle();
    while !rest.is_empty() {
        let (piece, after) = rest.split_at(lengths.next().unwrap_or(rest.len()).min(rest.len()));
        pieces.push(piece);
        rest = after;
    }
    pieces
}

fn decode<'a>(chunks: impl IntoIterator<Item = &'a [u8]>, max_frame_bytes: usize) -> Decoded {
    let mut decoder = NestDecoder::new(max_frame_bytes);
    let mut buffer = BytesMut::new();
    let (mut bodies, mut received) = (Vec::new(), 0);
    for chunk in chunks {
        buffer.extend_from_slice(chunk);
        received += chunk.len();
        loop {
            let decoded = decoder.decode(&mut buffer);
            assert!(buffer.capacity() <= 2 * received + 64 * 1024, "{} for {received}", buffer.capacity());
            match decoded {
                Ok(Some(body)) => bodies.push(body.to_vec()),
                Ok(None) => break,
                Err(error) => return Decoded { bodies, error: Some(error), inside: false },
            }
        }
    }
    let inside = decoder.is_inside_frame(&buffer);
    Decoded { bodies, error: None, inside }
}

/// FR-1 to FR-5 as they are written, a character at a time, from the start of the stream each time.
fn reference(stream: &[u8], max: usize) -> (Vec<Vec<u8>>, End) {
    let (mut bodies, mut rest) = (Vec::new(), stream);
    loop {
        let (announced, header_len) = match header(rest, max) {
            Ok(header) => header,
            Err(end) => return (bodies, end),
        };
        match body_len(&rest[header_len..], announced, max) {
            Ok(len) => {
                bodies.push(rest[header_len..][..len].to_vec());
                rest = &rest[header_len + len..];
            }
            Err(end) => return (bodies, end),
        }
    }
}

/// The announced length and the length of the header.
fn header(bytes: &[u8], max: usize) -> Result<(usize, usize), End> {
    let mut digits = String::new();
    for (at, byte) in bytes.iter().enumerate() {
        match byte {
            _ if at >= 16 => return Err(End::Fault(FrameError::Header)),
            byte if byte.is_ascii_whitespace() && digits.is_empty() => {}
            b'0'..=b'9' if digits.len() < 10 => digits.push(char::from(*byte)),
            b'#' if !digits.is_empty() => {
                let announced = digits.parse().expect("ten digits fit");
                return if announced > max {
                    Err(End::Fault(FrameError::TooLarge { announced, max }))
                } else {
                    Ok((announced, at + 1))
                };
            }
            _ => return Err(End::Fault(FrameError::Header)),
        }
    }
    // Sixteen bytes that do not end in `#` are too many whatever follows.
    if bytes.len() == 16 { Err(End::Doomed { overdue: false }) } else { Err(End::Open { inside: !digits.is_empty() }) }
}

/// How many bytes the first `announced` UTF-16 code units of `bytes` take.
fn body_len(bytes: &[u8], announced: usize, max: usize) -> Result<usize, End> {
    let too_large = || End::Fault(FrameError::TooLarge { announced, max });
    let (mut units, mut at) = (0, 0);
    while units < announced {
        let rest = &bytes[at..];
        match next_character(rest) {
            Next::Character(character) => {
                units += character.len_utf16();
                at += character.len_utf8();
                if units > announced {
                    return Err(End::Fault(FrameError::InsideCharacter));
                }
                if at > max {
                    return Err(too_large());
                }
            }
            // The first byte of four tells that this is a pair.
            Next::Unfinished if rest.first() >= Some(&0xF0) && units + 1 == announced => {
                return Err(End::Doomed { overdue: false });
            }
            Next::Unfinished if bytes.len() > max => return Err(too_large()),
            Next::Unfinished => return Err(End::Open { inside: true }),
            // No text has more than three bytes a unit.
            Next::Wrong => {
                return Err(End::Doomed { overdue: bytes.len() >= announced.saturating_mul(3).min(max) + 4 });
            }
        }
    }
    Ok(at)
}

enum Next {
    Character(char),
    Unfinished,
    Wrong,
}

fn next_character(bytes: &[u8]) -> Next {
    let head = &bytes[..bytes.len().min(4)];
    let (text, wrong) = match std::str::from_utf8(head) {
        Ok(text) => (text, false),
        Err(error) => {
            (std::str::from_utf8(&head[..error.valid_up_to()]).unwrap_or_default(), error.error_len().is_some())
        }
    };
    match text.chars().next() {
        Some(character) => Next::Character(character),
        None if wrong => Next::Wrong,
        None => Next::Unfinished,
    }
}
