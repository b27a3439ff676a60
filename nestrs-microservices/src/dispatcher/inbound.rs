//! One message, as a transport hands it over, and the deadline that it asks for.

use std::any::Any;
use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use nestrs_core::{Metadata, Payload};

use crate::deadline;

/// The member of a packet's metadata in which a caller may say how long it waits, in milliseconds from the receipt of the
/// packet. The handler is dropped then, unless it is marked `#[run_to_completion]`, and answered for with "Request timed
/// out"; a call that is late already is not started. Anything but a whole number is ignored.
pub const TIMEOUT_METADATA: &str = "nestrs-timeout-ms";

/// One message, as a transport hands it over.
#[derive(Debug)]
pub struct Inbound<'a> {
    /// The canonical pattern; `None` when the packet names none that could exist.
    pub route: Option<Cow<'a, str>>,
    /// A request's id, echoed in its answer; `None` makes it an event.
    pub id: Option<Bytes>,
    /// What it carries.
    pub payload: Payload,
    /// What it carries beside that.
    pub metadata: Option<Metadata>,
    /// What the transport knows of the call; handlers read it by [`ExecutionContext::transport`].
    ///
    /// [`ExecutionContext::transport`]: nestrs_core::ExecutionContext::transport
    pub transport: Arc<dyn Any + Send + Sync>,
}

/// Counted from receipt, so that clocks need not agree.
pub(super) fn deadline_of(metadata: &Metadata, received: Option<Instant>) -> Option<Instant> {
    let milliseconds = match only_timeout(metadata.text()) {
        Some(milliseconds) => milliseconds,
        None => metadata.get(TIMEOUT_METADATA)?.parse().ok()?,
    };
    received.unwrap_or_else(deadline::now).checked_add(Duration::from_millis(milliseconds))
}

/// The milliseconds in `{"nestrs-timeout-ms":"30000"}`, as our own clients write it: no reason to make a map.
fn only_timeout(json: &[u8]) -> Option<u64> {
    let json = std::str::from_utf8(json).ok()?;
    json.strip_prefix("{\"")?.strip_prefix(TIMEOUT_METADATA)?.strip_prefix("\":\"")?.strip_suffix("\"}")?.parse().ok()
}
