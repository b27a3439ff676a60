//! Packets, against the whole text as one JSON value.

use bytes::Bytes;
use nestrs_microservices::{Packet, PacketError};
use serde_json::Value;

/// Reads `body` as a packet, and compares its members with those of the value that `body` is.
///
/// A frame's body is UTF-8 by then (FR-5).
pub(crate) fn check(body: &str) {
    let value = serde_json::from_str::<Value>(body);
    let packet = match (Packet::read(&Bytes::copy_from_slice(body.as_bytes())), &value) {
        (Ok(packet), _) => packet,
        (Err(PacketError::IdTooLong), Ok(value)) => {
            assert!(value.get("id").is_some(), "no id can be too long in {body:?}");
            return;
        }
        (Err(error), Ok(_)) => panic!("{error} in {body:?}"),
        (Err(_), Err(_)) => return,
    };
    let value = match value {
        Ok(value) => value,
        // Half a surrogate pair is mended.
        Err(error) => {
            let text = error.to_string();
            let lenient = ["surrogate", "end of hex escape"];
            assert!(lenient.iter().any(|known| text.contains(known)), "{text}: {body:?}");
            return;
        }
    };
    let member = |name: &str| value.as_object().and_then(|members| members.get(name));
    let json = |text: &[u8]| serde_json::from_slice::<Value>(text).expect("a member is JSON");
    assert_eq!(packet.pattern.as_deref().map(json).as_ref(), member("pattern"));
    assert_eq!(packet.payload.is_absent(), member("data").is_none());
    if let Some(data) = member("data") {
        assert_eq!(json(&packet.payload.json()), *data);
    }
    // A foreign message has no id, whatever it contains.
    let foreign = member("pattern").is_none() && member("data").is_none();
    assert_eq!(packet.id.as_deref().map(json).as_ref(), member("id").filter(|_| !foreign));
    assert!(packet.id.is_none_or(|id| id.len() <= 1024));
    if let Some(metadata) = packet.metadata {
        let Some(Value::Object(members)) = member("metadata") else { panic!("metadata out of {value}") };
        for (name, text) in metadata.iter() {
            assert_eq!(members.get(name).and_then(Value::as_str), Some(text));
        }
    }
}
