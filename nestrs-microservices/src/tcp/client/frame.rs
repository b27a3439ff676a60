//! The bytes of a request or event.

use std::borrow::Cow;

use nestrs_core::{Metadata, Payload, Sent, TransportError};
use serde_json::{Map, Value};
use tokio::time::Instant;

use crate::dispatcher::TIMEOUT_METADATA;
use crate::net::codec::{utf16_len, write_frame_header};
use crate::packet::write_request;
use crate::tcp::call_id::id_text;

use super::Inner;

/// The milliseconds up to `end`. Rounded up: our own timer is the first to fire, and says that it was a timeout.
pub(super) fn until(end: Instant) -> u128 {
    end.saturating_duration_since(Instant::now()).as_millis() + 1
}

impl Inner {
    /// A frame of its own; see [`Self::write_frame`].
    pub(super) fn frame(
        &self,
        pattern: &str,
        payload: &Payload,
        metadata: &Metadata,
        left: Option<u128>,
        id: Option<u64>,
    ) -> Result<Vec<u8>, TransportError> {
        let mut frame = Vec::new();
        self.write_frame(&mut frame, pattern, payload, metadata, left, id)?;
        Ok(frame)
    }

    /// Writes a request or event into `frame`, which is empty; `left` is what a request tells of its deadline, in
    /// milliseconds.
    pub(super) fn write_frame(
        &self,
        frame: &mut Vec<u8>,
        pattern: &str,
        payload: &Payload,
        metadata: &Metadata,
        left: Option<u128>,
        id: Option<u64>,
    ) -> Result<(), TransportError> {
        let mut room = [0; TIMEOUT_LEN_MAX];
        let metadata: Option<Cow<'_, [u8]>> = match left {
            None if metadata.is_empty() => None,
            Some(left) if metadata.is_empty() => Some(timeout_metadata(&mut room, left).into()),
            left => {
                let mut all: Map<_, _> = metadata.iter().map(|(key, value)| (key.to_owned(), value.into())).collect();
                // What the caller has set itself is meant.
                left.map(|left| all.entry(TIMEOUT_METADATA).or_insert_with(|| left.to_string().into()));
                Some(Value::Object(all).to_string().into_bytes().into())
            }
        };
        let data = payload.json();
        let id = id.map(id_text);
        let mut len = write_request(frame, pattern, &data, metadata.as_deref(), id.as_ref().map(<[u8; _]>::as_slice));
        if let Some(serializer) = &self.options.serializer {
            let body = frame.iter().position(|byte| *byte == b'#').map_or(0, |hash| hash + 1);
            let packet = serde_json::from_slice(frame.get(body..).unwrap_or_default()).map_err(TransportError::from);
            // Whatever the serializer thinks of it, nothing has been sent.
            let packet = packet.and_then(|packet| serializer.serialize(packet));
            let wire = packet.map_err(|error| error.with_sent(Sent::No))?.to_string();
            frame.clear();
            write_frame_header(frame, utf16_len(wire.as_bytes()));
            frame.extend_from_slice(wire.as_bytes());
            len = wire.len();
        }
        if len > self.options.max_frame_bytes {
            return Err(self.options.too_large(len).with_sent(Sent::No));
        }
        Ok(())
    }
}

/// What stands before the digits: `TIMEOUT_METADATA` as a key.
const BEFORE_DIGITS: &[u8] = b"{\"nestrs-timeout-ms\":\"";
/// With twenty digits, and what stands behind them.
const TIMEOUT_LEN_MAX: usize = BEFORE_DIGITS.len() + 22;

/// `{"nestrs-timeout-ms":"29999"}`, written into the beginning of `room`.
fn timeout_metadata(room: &mut [u8; TIMEOUT_LEN_MAX], milliseconds: u128) -> &[u8] {
    // Twenty digits would fit, which is longer than anybody waits.
    let mut rest = u64::try_from(milliseconds).unwrap_or(u64::MAX);
    let digits = rest.checked_ilog10().map_or(1, |log| log as usize + 1);
    let (before, after) = room.split_at_mut(BEFORE_DIGITS.len());
    before.copy_from_slice(BEFORE_DIGITS);
    let (number, after) = after.split_at_mut(digits);
    for digit in number.iter_mut().rev() {
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    if let Some(end) = after.first_chunk_mut() {
        *end = *b"\"}";
    }
    room.get(..BEFORE_DIGITS.len() + digits + 2).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_is_told_in_whole_milliseconds() {
        for left in [0, 7, 9, 10, 29_999, 30_000, u64::MAX] {
            let mut room = [0; TIMEOUT_LEN_MAX];
            let expected = format!("{{\"{TIMEOUT_METADATA}\":\"{left}\"}}");
            assert_eq!(timeout_metadata(&mut room, left.into()), expected.as_bytes());
        }
    }
}
