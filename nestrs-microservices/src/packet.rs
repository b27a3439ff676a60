//! Packets on the wire: borrowed when read, appended when written (NestJS fact sheet, sections 1 to 3).

// What a peer sends must not be able to make this panic.
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::string_slice))]

mod usual;

use std::borrow::Cow;
use std::fmt;

use bytes::{Buf, Bytes};
use nestrs_core::{Metadata, Payload, TransportError};
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::json_bounds::{has_number_out_of_range, nests_too_deep};
use crate::net::codec::{is_ascii, utf16_len, write_frame_header};

/// What NestJS answers when nobody handles a pattern. A plain string, unlike every other error.
pub(crate) const NO_HANDLER: &str = "There is no matching message handler defined in the remote service.";

/// An `id` may be any JSON value up to this many bytes.
const ID_LEN_MAX: usize = 1024;
/// Shorter texts are copied: that costs less than pieces of memory do.
const LONG_MIN: usize = 16 * 1024;
/// As long as the header of a frame can be.
const HEADER_LEN_MAX: usize = 21;

/// A request or an event, as it arrived.
#[derive(Debug)]
pub struct Packet {
    /// The JSON text of `pattern`; `None` when the packet has none, and for whatever is no packet at all.
    pub pattern: Option<Bytes>,
    /// `data`, a slice of the frame.
    pub payload: Payload,
    /// The JSON text of `id`, echoed as it came. With one it is a request, without one an event.
    pub id: Option<Bytes>,
    /// `metadata`, when there is any.
    pub metadata: Option<Metadata>,
}

/// Why a frame's body is no packet.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PacketError {
    /// It is not JSON.
    #[error("frame body is not JSON")]
    Json(#[source] serde_json::Error),
    /// Its `id` is longer than 1 KiB.
    #[error("packet id is longer than 1024 bytes")]
    IdTooLong,
    /// It is nested deeper than 127.
    #[error("frame body is nested deeper than 127")]
    TooDeep,
    /// It has a number that no double can hold.
    #[error("frame body has a number out of range")]
    OutOfRange,
}

impl Packet {
    /// Reads a frame's body. JSON that is no packet is an event for no pattern, as NestJS has it.
    ///
    /// # Errors
    /// [`PacketError`] when the body is not JSON, is nested deeper than 127, or has a number out of range, wherever that is.
    pub fn read(frame: &Bytes) -> Result<Self, PacketError> {
        if std::str::from_utf8(frame).is_ok() { Self::read_text(frame.clone()) } else { Self::read_any(frame) }
    }

    /// [`Packet::read`] of what is known to be UTF-8, as the decoder's frames are.
    pub(crate) fn read_text(frame: Bytes) -> Result<Self, PacketError> {
        match usual::members(&frame) {
            Some(members) => Self::of(&frame, &members),
            None => Self::read_any(&frame),
        }
    }

    /// Whatever it is, and wherever its members are.
    fn read_any(frame: &Bytes) -> Result<Self, PacketError> {
        if nests_too_deep(frame) {
            return Err(PacketError::TooDeep);
        }
        let members: Members<'_> = match serde_json::from_slice(frame) {
            Ok(members) => members,
            // A key may hold half of a surrogate pair, which Rust's strings cannot. Never seen from a NestJS client.
            Err(error) => match Payload::from_json(frame.clone()).into_value() {
                Ok(mended) => return Self::read_any(&Bytes::from(mended.to_string())),
                Err(_) => return Err(PacketError::Json(error)),
            },
        };
        if members.out_of_range {
            return Err(PacketError::OutOfRange);
        }
        Self::of(frame, &members)
    }

    fn of(frame: &Bytes, members: &Members<'_>) -> Result<Self, PacketError> {
        let own = |member: &[u8]| frame.slice_ref(member);
        // Neither `pattern` nor `data`: a foreign message, which has no id whatever it contains.
        let foreign = members.pattern.is_none() && members.data.is_none();
        let id = members.id.filter(|_| !foreign);
        if id.is_some_and(|id| id.len() > ID_LEN_MAX) {
            return Err(PacketError::IdTooLong);
        }
        Ok(Self {
            pattern: members.pattern.map(own),
            payload: members.data.map_or_else(Payload::absent, |data| Payload::from_json(own(data))),
            id: id.map(own),
            metadata: members.metadata.and_then(|member| metadata(member, frame)),
        })
    }
}

/// A packet as it usually comes, still in its frame: nothing of it is kept but what somebody asks for.
pub(crate) struct UsualPacket<'a> {
    pattern: &'a [u8],
    members: Members<'a>,
}

impl<'a> UsualPacket<'a> {
    /// Looks at a frame that is known to be UTF-8. `None` is whatever [`Packet::read_text`] makes of it.
    #[inline]
    pub(crate) fn read(frame: &'a Bytes) -> Option<Self> {
        let members = usual::members(frame)?;
        let pattern = members.pattern.filter(|_| members.id.is_none_or(|id| id.len() <= ID_LEN_MAX))?;
        Some(Self { pattern, members })
    }

    /// The JSON text of `pattern`.
    pub(crate) fn pattern(&self) -> &'a [u8] {
        self.pattern
    }

    /// `data`.
    #[inline]
    pub(crate) fn payload(&self, frame: &Bytes) -> Payload {
        self.members.data.map_or_else(Payload::absent, |data| Payload::from_json(frame.slice_ref(data)))
    }

    /// `metadata`, when there is any.
    #[inline]
    pub(crate) fn metadata(&self, frame: &Bytes) -> Option<Metadata> {
        metadata(self.members.metadata?, frame)
    }

    /// How long the JSON text of `id` is, for [`Self::id`]; `None` for an event.
    pub(crate) fn id_len(&self) -> Option<usize> {
        self.members.id.map(<[u8]>::len)
    }

    /// The id that ends the packet, of so many bytes: it has the frame itself, and not one more reference to it.
    #[inline]
    pub(crate) fn id(mut frame: Bytes, len: usize) -> Bytes {
        // The last member has a bracket behind it.
        frame.truncate(frame.len().saturating_sub(1));
        frame.advance(frame.len().saturating_sub(len));
        frame
    }
}

/// A member of that name, if it is an object.
fn metadata(member: &[u8], frame: &Bytes) -> Option<Metadata> {
    member.starts_with(b"{").then(|| Metadata::from_json(frame.slice_ref(member)))
}

/// The members of a packet as JSON text; a repeated one counts as last written, as `JSON.parse` has it.
#[derive(Default)]
struct Members<'a> {
    pattern: Option<&'a [u8]>,
    data: Option<&'a [u8]>,
    id: Option<&'a [u8]>,
    metadata: Option<&'a [u8]>,
    /// Some member has a number out of range, be it one that nobody reads.
    out_of_range: bool,
}

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;

        impl<'de> Visitor<'de> for Reader {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a packet")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Members::default();
                while let Some(key) = map.next_key::<Text<'de>>()? {
                    let value: &RawValue = map.next_value()?;
                    members.out_of_range |= has_number_out_of_range(value.get());
                    let value = value.get().as_bytes();
                    match &*key.0 {
                        "pattern" => members.pattern = Some(value),
                        "data" => members.data = Some(value),
                        "id" => members.id = Some(value),
                        "metadata" => members.metadata = Some(value),
                        _ => {}
                    }
                }
                Ok(members)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                let mut out_of_range = false;
                while let Some(item) = seq.next_element::<&RawValue>()? {
                    out_of_range |= has_number_out_of_range(item.get());
                }
                Ok(Members { out_of_range, ..Members::default() })
            }

            fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
                Ok(Members::default())
            }

            fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
                Ok(Members::default())
            }

            fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
                Ok(Members::default())
            }

            fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
                Ok(Members::default())
            }

            fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> {
                Ok(Members::default())
            }

            fn visit_unit<E>(self) -> Result<Self::Value, E> {
                Ok(Members::default())
            }
        }

        deserializer.deserialize_any(Reader)
    }
}

/// A key, borrowed unless it has escapes.
struct Text<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;

        impl<'de> Visitor<'de> for Reader {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }

        deserializer.deserialize_str(Reader)
    }
}

/// A response whose value is its own piece of memory.
#[derive(Debug)]
pub(crate) struct LongFrame {
    /// The header of the frame, and the packet up to the value.
    pub(crate) head: Vec<u8>,
    pub(crate) text: Bytes,
    pub(crate) tail: Vec<u8>,
    /// Of the body, in bytes.
    pub(crate) len: usize,
}

/// One response packet, without its `id`.
#[derive(Debug)]
pub enum Answer {
    /// A value; `last` says that nothing follows.
    Value {
        /// The value.
        payload: Payload,
        /// Writes `isDisposed` beside it.
        last: bool,
    },
    /// The end, with no value.
    End,
    /// An error, which is also the end.
    Error(TransportError),
    /// Nobody handles the pattern.
    NoHandler,
}

impl Answer {
    /// Appends the packet to `out` as a frame of NestJS's TCP transport: the length of its body in UTF-16 code units, `#`, the
    /// body (NestJS fact sheet, section 1). `id` is JSON, as the request had it. Never a key more than NestJS knows: its
    /// clients take a response with a foreign key for something else. Returns the length of the body in bytes.
    ///
    /// ```
    /// use nestrs_core::Payload;
    /// use nestrs_microservices::Answer;
    ///
    /// let mut out = Vec::new();
    /// let answer = Answer::Value { payload: Payload::from_json("15"), last: true };
    /// assert_eq!(answer.write_frame(&mut out, br#""1""#), 42);
    /// assert_eq!(out, br#"42#{"response":15,"isDisposed":true,"id":"1"}"#);
    /// ```
    pub fn write_frame(&self, out: &mut Vec<u8>, id: &[u8]) -> usize {
        // Each with as many pieces as it has: how long most of them are is known here, and not asked for.
        match self {
            // An absent payload is NestJS's `undefined`, which JSON leaves out.
            Self::Value { payload, last: false } if payload.is_absent() => write_body(out, [b"{\"id\":", id, b"}"]),
            Self::Value { payload, .. } if payload.is_absent() => Self::End.write_frame(out, id),
            // What stands around the value has a length that is known here, and is written without a call.
            Self::Value { payload, last: true } => {
                write_value(out, b"{\"response\":", &payload.json(), b",\"isDisposed\":true,\"id\":", id)
            }
            Self::Value { payload, last: false } => {
                write_value(out, b"{\"response\":", &payload.json(), b",\"id\":", id)
            }
            Self::End => write_body(out, [b"{\"isDisposed\":true,\"id\":", id, b"}"]),
            Self::Error(error) => {
                let err = error.to_wire_json();
                write_body(out, [b"{\"err\":", err.as_bytes(), b",\"isDisposed\":true,\"id\":", id, b"}"])
            }
            Self::NoHandler => {
                let err = NO_HANDLER.as_bytes();
                write_body(out, [b"{\"id\":", id, b",\"status\":\"error\",\"err\":\"", err, b"\"}"])
            }
        }
    }

    /// Appends frames as [`Self::write_frame`] does, for as long as they are those of items that are short and ASCII, and
    /// others follow. Gives how many.
    pub(crate) fn write_items(answers: &[Self], out: &mut Vec<u8>, id: &[u8], max_len: usize) -> usize {
        const BEFORE: &[u8] = b"{\"response\":";
        const AFTER: &[u8] = b",\"id\":";
        if !is_ascii(id) {
            return 0;
        }
        let mut written = 0;
        for answer in answers {
            let Self::Value { payload, last: false } = answer else { break };
            let value = payload.json();
            let len = BEFORE.len() + value.len() + AFTER.len() + id.len() + 1;
            if payload.is_absent() || value.len() >= LONG_MIN || len > max_len || !is_ascii(&value) {
                break;
            }
            out.reserve(HEADER_LEN_MAX + len);
            // What is ASCII is counted already.
            write_frame_header(out, len);
            out.extend_from_slice(BEFORE);
            out.extend_from_slice(&value);
            out.extend_from_slice(AFTER);
            out.extend_from_slice(id);
            out.push(b'}');
            written += 1;
        }
        written
    }

    /// The packet around a text that is too long to be copied once more; `None` where nothing is.
    pub(crate) fn long_frame(&self, id: &[u8]) -> Option<LongFrame> {
        let Self::Value { payload, last } = self else { return None };
        let text = payload.sole_text(LONG_MIN)?.clone();
        let (before, after) = Self::around_value(*last);
        let pieces = [before, &text, after, id, b"}"];
        let mut head = Vec::with_capacity(HEADER_LEN_MAX + before.len());
        let units = |piece: &&[u8]| if is_ascii(piece) { piece.len() } else { utf16_len(piece) };
        write_frame_header(&mut head, pieces.iter().map(units).sum());
        head.extend_from_slice(before);
        let len = pieces.iter().map(|piece| piece.len()).sum();
        Some(LongFrame { head, tail: [after, id, b"}"].concat(), text, len })
    }

    /// What stands before a value, and between it and the id.
    const fn around_value(last: bool) -> (&'static [u8], &'static [u8]) {
        (b"{\"response\":", if last { b",\"isDisposed\":true,\"id\":" } else { b",\"id\":" })
    }

    /// The packet as a JSON value, for a serializer of the user's.
    pub(crate) fn to_packet(&self, id: &[u8]) -> serde_json::Value {
        let mut packet = serde_json::Map::new();
        let id = serde_json::from_slice(id).unwrap_or(serde_json::Value::Null);
        match self {
            Self::Value { payload, last } => {
                if let (false, Ok(value)) = (payload.is_absent(), payload.value()) {
                    packet.insert("response".into(), value.clone());
                }
                if *last {
                    packet.insert("isDisposed".into(), true.into());
                }
            }
            Self::End => _ = packet.insert("isDisposed".into(), true.into()),
            Self::Error(error) => {
                packet.insert("err".into(), error.to_wire());
                packet.insert("isDisposed".into(), true.into());
            }
            Self::NoHandler => {
                packet.insert("status".into(), "error".into());
                packet.insert("err".into(), NO_HANDLER.into());
            }
        }
        packet.insert("id".into(), id);
        packet.into()
    }
}

/// Appends a request or event as a NestJS frame, its members in NestJS's order.
/// Returns the length of the body in bytes.
pub(crate) fn write_request(
    out: &mut Vec<u8>,
    pattern: &str,
    data: &[u8],
    metadata: Option<&[u8]>,
    id: Option<&[u8]>,
) -> usize {
    let known = b"{\"pattern\":,\"data\":}".len() + pattern.len() + data.len();
    let metadata_len = metadata.map_or(0, |metadata| b",\"metadata\":".len() + metadata.len());
    let len = known + metadata_len + id.map_or(0, |id| b",\"id\":\"\"".len() + id.len());
    out.reserve(HEADER_LEN_MAX + len);
    let start = out.len();
    write_frame_header(out, len);
    let body = out.len();
    // Not in a loop over pieces: what is known here is written without asking how long it is.
    out.extend_from_slice(b"{\"pattern\":");
    out.extend_from_slice(pattern.as_bytes());
    out.extend_from_slice(b",\"data\":");
    out.extend_from_slice(data);
    if let Some(metadata) = metadata {
        out.extend_from_slice(b",\"metadata\":");
        out.extend_from_slice(metadata);
    }
    if let Some(id) = id {
        out.extend_from_slice(b",\"id\":\"");
        out.extend_from_slice(id);
        out.push(b'"');
    }
    out.push(b'}');
    mend_header(out, start, body);
    len
}

/// Appends a frame around a value and an id, and returns the length of the body in bytes.
#[inline]
fn write_value<const B: usize, const A: usize>(
    out: &mut Vec<u8>,
    before: &[u8; B],
    value: &[u8],
    after: &[u8; A],
    id: &[u8],
) -> usize {
    let len = B + value.len() + A + id.len() + 1;
    out.reserve(HEADER_LEN_MAX + len);
    let start = out.len();
    write_frame_header(out, len);
    let body = out.len();
    out.extend_from_slice(before);
    out.extend_from_slice(value);
    out.extend_from_slice(after);
    out.extend_from_slice(id);
    out.push(b'}');
    if !(is_ascii(value) && is_ascii(id)) {
        mend_header(out, start, body);
    }
    len
}

/// Appends a frame whose body is in pieces, and returns the length of the body in bytes.
#[inline]
fn write_body<const N: usize>(out: &mut Vec<u8>, pieces: [&[u8]; N]) -> usize {
    let len = pieces.iter().map(|piece| piece.len()).sum();
    out.reserve(HEADER_LEN_MAX + len);
    let start = out.len();
    // Right for ASCII, which most bodies are; the others are counted when they stand there in one piece.
    write_frame_header(out, len);
    let body = out.len();
    for piece in pieces {
        out.extend_from_slice(piece);
    }
    mend_header(out, start, body);
    len
}

/// Writes the header at `start` again, if it counts bytes of a body that is not ASCII.
fn mend_header(out: &mut Vec<u8>, start: usize, body: usize) {
    if let Some(text) = out.get(body..).filter(|text| !is_ascii(text)) {
        let mut header = Vec::with_capacity(HEADER_LEN_MAX);
        write_frame_header(&mut header, utf16_len(text));
        out.splice(start..body, header);
    }
}

/// A response as a client reads it.
#[derive(Debug)]
pub(crate) struct Response<'a> {
    /// The JSON text of `id`.
    pub(crate) id: Option<&'a [u8]>,
    /// What it brings.
    pub(crate) event: ResponseEvent,
}

/// What one response packet means to the one who waits for it (NestJS fact sheet, section 3).
#[derive(Debug)]
pub(crate) enum ResponseEvent {
    /// A value, and perhaps the end.
    Value { payload: Payload, last: bool },
    /// The end, with no value.
    End,
    /// An error, which is also the end.
    Error(serde_json::Value),
}

impl<'a> Response<'a> {
    /// Reads a frame's body, which is UTF-8, as the decoder's are. An object without `err`, `response` and `isDisposed`
    /// is a foreign message and as a whole the value; keys that NestJS does not know are ignored beside them, as NestJS
    /// 11 does. (NestJS 12 would take the whole packet for the value, even where it holds an error.)
    pub(crate) fn read(frame: &'a Bytes) -> Result<Self, PacketError> {
        match usual::response_members(frame) {
            Some(members) => Ok(Self::of(frame, &members)),
            None => Self::read_any(frame),
        }
    }

    /// Whatever it is, and wherever its members are.
    fn read_any(frame: &'a Bytes) -> Result<Self, PacketError> {
        if nests_too_deep(frame) {
            return Err(PacketError::TooDeep);
        }
        let members: ResponseMembers<'_> = serde_json::from_slice(frame).map_err(PacketError::Json)?;
        if members.out_of_range {
            return Err(PacketError::OutOfRange);
        }
        Ok(Self::of(frame, &members))
    }

    fn of(frame: &Bytes, members: &ResponseMembers<'a>) -> Self {
        let own = |member: &[u8]| frame.slice_ref(member);
        let truthy = |member: &&[u8]| is_truthy(member);
        let event = if let Some(err) = members.err.filter(truthy) {
            let err = Payload::from_json(own(err)).into_value();
            ResponseEvent::Error(err.unwrap_or(serde_json::Value::Null))
        } else if members.err.is_none() && members.response.is_none() && members.is_disposed.is_none() {
            ResponseEvent::Value { payload: Payload::from_json(frame.clone()), last: true }
        } else {
            let last = members.is_disposed.is_some_and(is_truthy);
            match members.response {
                None if last => ResponseEvent::End,
                response => {
                    let payload = response.map_or_else(Payload::absent, |response| Payload::from_json(own(response)));
                    ResponseEvent::Value { payload, last }
                }
            }
        };
        Self { id: members.id, event }
    }
}

/// Whether JSON that may not be an object is any that can be read.
pub(crate) fn is_readable(frame: &[u8]) -> bool {
    serde_json::from_slice::<&RawValue>(frame).is_ok_and(|value| !has_number_out_of_range(value.get()))
}

/// Whether JavaScript takes a JSON text for something, as in `if (err)`.
fn is_truthy(json: &[u8]) -> bool {
    match json {
        b"null" | b"false" | b"\"\"" => false,
        [b'-' | b'0'..=b'9', ..] => std::str::from_utf8(json).map(str::parse) != Ok(Ok(0.0_f64)),
        _ => true,
    }
}

/// The members of a response as JSON text.
#[derive(Default)]
struct ResponseMembers<'a> {
    id: Option<&'a [u8]>,
    err: Option<&'a [u8]>,
    response: Option<&'a [u8]>,
    is_disposed: Option<&'a [u8]>,
    out_of_range: bool,
}

impl<'de: 'a, 'a> Deserialize<'de> for ResponseMembers<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;

        impl<'de> Visitor<'de> for Reader {
            type Value = ResponseMembers<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a response packet")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = ResponseMembers::default();
                while let Some(key) = map.next_key::<Text<'de>>()? {
                    let value: &RawValue = map.next_value()?;
                    members.out_of_range |= has_number_out_of_range(value.get());
                    let value = value.get().as_bytes();
                    match &*key.0 {
                        "id" => members.id = Some(value),
                        "err" => members.err = Some(value),
                        "response" => members.response = Some(value),
                        "isDisposed" => members.is_disposed = Some(value),
                        _ => {}
                    }
                }
                Ok(members)
            }
        }

        deserializer.deserialize_map(Reader)
    }
}

#[cfg(test)]
mod tests;

#[cfg(test)]
mod properties;

#[cfg(test)]
mod transcript;
