//! The envelope of a packet, which is all that the two ways of this server differ in.
//!
//! By serde: a struct is derived, and each of its members is a [`RawValue`] that lies in the frame. serde_json walks over the
//! payload to find its end, and the handler's type walks over it again. That is what anybody would write first.
//!
//! In one pass: a packet whose members stand in NestJS's order is taken apart from both of its ends, and nothing walks over
//! the payload but the handler's type. Whatever looks otherwise, and whatever the handler cannot read, is read by serde.

use std::borrow::Cow;
use std::io;

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// As many characters as NestJS's ids have.
const ID_LEN: usize = 21;

/// How envelopes are read.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Envelope {
    Serde,
    OnePass,
}

impl Envelope {
    /// What stands on the command line: nothing, or `--envelope serde`, or `--envelope one-pass`.
    pub(crate) fn from_args(mut args: impl Iterator<Item = String>) -> Result<Self, String> {
        match (args.next().as_deref(), args.next().as_deref(), args.next()) {
            (None, ..) | (Some("--envelope"), Some("serde"), None) => Ok(Self::Serde),
            (Some("--envelope"), Some("one-pass"), None) => Ok(Self::OnePass),
            _ => Err("there is but `--envelope serde` and `--envelope one-pass`".to_owned()),
        }
    }
}

/// A packet taken apart.
#[derive(Debug, PartialEq)]
pub(crate) struct Packet<'a> {
    /// The text of a pattern that is a string; the JSON of any other.
    pub(crate) pattern: Cow<'a, str>,
    /// The JSON of the payload.
    pub(crate) data: &'a str,
    /// The JSON of the id; an event has none.
    pub(crate) id: Option<&'a str>,
}

#[derive(Deserialize)]
struct Members<'a> {
    #[serde(borrow)]
    pattern: &'a RawValue,
    /// Nothing where there was `undefined`.
    #[serde(borrow, default)]
    data: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    id: Option<&'a RawValue>,
}

/// What is there is an id, `null` too.
fn present<'de, D: Deserializer<'de>>(from: D) -> Result<Option<&'de RawValue>, D::Error> {
    Deserialize::deserialize(from).map(Some)
}

impl<'a> Packet<'a> {
    /// Any packet.
    pub(crate) fn by_serde(body: &'a str) -> io::Result<Self> {
        let members: Members<'_> = serde_json::from_str(body)?;
        Ok(Self {
            pattern: key(members.pattern.get())?,
            data: members.data.map_or("null", RawValue::get),
            id: members.id.map(RawValue::get),
        })
    }

    /// A packet in NestJS's order, `{"pattern":"…","data":…,"id":"…"}`, or an event without the last member. If `data` is
    /// one JSON value, it is this packet and no other; whether it is, is for its reader to find out. `None` says nothing.
    pub(crate) fn in_one_pass(body: &'a str) -> Option<Self> {
        let rest = body.strip_prefix(r#"{"pattern":""#)?;
        let end = rest.bytes().position(|byte| matches!(byte, b'"' | b'\\' | ..=0x1f))?;
        let (pattern, rest) = rest.split_at(end);
        let rest = rest.strip_prefix(r#"","data":"#)?.strip_suffix('}')?;
        let (data, id) = match id_begin(rest.as_bytes()) {
            Some(begin) => (rest[..begin].strip_suffix(r#","id":"#)?, Some(&rest[begin..])),
            None => (rest, None),
        };
        Some(Self { pattern: Cow::Borrowed(pattern), data, id })
    }
}

/// Where an id as NestJS makes it begins, with its quote.
fn id_begin(rest: &[u8]) -> Option<usize> {
    let (before, [b'"', id @ .., b'"']) = rest.split_last_chunk::<{ ID_LEN + 2 }>()? else { return None };
    // No way out in the middle: it is done for many bytes at once.
    let plain = id.iter().fold(true, |plain, &byte| plain & (byte > 0x1f) & (byte != b'"') & (byte != b'\\'));
    (plain && before.ends_with(br#","id":"#)).then_some(before.len())
}

fn key(pattern: &str) -> io::Result<Cow<'_, str>> {
    match pattern.strip_prefix('"').and_then(|pattern| pattern.strip_suffix('"')) {
        Some(text) if !text.contains('\\') => Ok(Cow::Borrowed(text)),
        Some(_) => Ok(Cow::Owned(serde_json::from_str(pattern)?)),
        None => Ok(Cow::Borrowed(pattern)),
    }
}

#[cfg(test)]
mod tests {
    use serde::de::IgnoredAny;

    use super::*;

    const ID: &str = "\"0000001f00000000000ab\"";

    /// What the server makes of it: in one pass if the payload is one, by serde if not.
    fn read(body: &str) -> (bool, Option<Packet<'_>>) {
        let fast = Packet::in_one_pass(body).filter(|it| serde_json::from_str::<IgnoredAny>(it.data).is_ok());
        (fast.is_some(), fast.or_else(|| Packet::by_serde(body).ok()))
    }

    #[test]
    fn what_nestjs_sends_is_read_in_one_pass() {
        for data in ["[1,2,3]", "\"x\"", "{\"a\":[{}]}", "null", "\"\\\",\\\"id\\\":\\\"\"", "\"é😀\""] {
            for body in [
                format!(r#"{{"pattern":"math.sum","data":{data},"id":{ID}}}"#),
                format!(r#"{{"pattern":"math.sum","data":{data}}}"#),
            ] {
                let (fast, packet) = read(&body);
                assert!(fast, "{body}");
                assert_eq!(packet.unwrap(), Packet::by_serde(&body).unwrap(), "{body}");
            }
        }
    }

    #[test]
    fn both_ways_say_the_same_of_whatever_comes() {
        for body in [
            r#"{"pattern":"a","data":1,"id":7}"#.to_owned(),
            r#"{"pattern":"a","data":1,"id":null}"#.to_owned(),
            r#"{"pattern":"a","data":1,"id":"short"}"#.to_owned(),
            format!(r#"{{"pattern":"a","data":1,"more":2,"id":{ID}}}"#),
            format!(r#"{{"pattern":"a","data":1,"id":5,"id":{ID}}}"#),
            format!(r#"{{"pattern":"a","id":{ID},"data":1}}"#),
            format!(r#"{{"pattern":"a","id":{ID}}}"#),
            format!(r#"{{"pattern":"\u0061","data":1,"id":{ID}}}"#),
            format!(r#"{{"pattern":{{"cmd":"a"}},"data":1,"id":{ID}}}"#),
            format!(r#"{{"pattern":"a", "data":1,"id":{ID}}}"#),
            format!(r#"{{"pattern":"a","data":"\","id":{ID}}}"#),
            format!(r#"{{"pattern":"a","data":{{"b":1,"id":{ID}}}}}"#),
            r#"{"pattern":"a","data":1,"id":"aaaaaaaaa","xx":"bbbb"}"#.to_owned(),
            r#"{"pattern":"a","data":1,"id":"aaaaaaaaaaaaaaaaaaaa\"}"#.to_owned(),
            r#"{"pattern":"a","data":1,"id":"aaaaaaaaaaaaaaaaaaa\n"}"#.to_owned(),
            r#"{"pattern":"a","data":}"#.to_owned(),
            "{}".to_owned(),
            String::new(),
        ] {
            assert_eq!(read(&body).1, Packet::by_serde(&body).ok(), "{body}");
        }
    }

    #[test]
    fn the_envelope_is_a_word_on_the_command_line() {
        let read = |line: &str| Envelope::from_args(line.split_whitespace().map(str::to_owned));
        assert_eq!(read(""), Ok(Envelope::Serde));
        assert_eq!(read("--envelope one-pass"), Ok(Envelope::OnePass));
        assert!(read("--envelope two").is_err() && read("--envelope").is_err() && read("--envelope serde x").is_err());
    }
}
