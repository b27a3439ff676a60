//! Packets without a frame around them: a broker delimits messages itself.

use bytes::Bytes;

use crate::packet::Answer;

/// A response packet.
pub(crate) fn body_of(answer: &Answer, id: &[u8]) -> Bytes {
    let mut frame = Vec::new();
    answer.write_frame(&mut frame, id);
    unframed(frame)
}

/// What stands behind the header of a NestJS frame.
pub(super) fn unframed(frame: Vec<u8>) -> Bytes {
    let body = frame.iter().position(|byte| *byte == b'#').map_or(0, |hash| hash + 1);
    Bytes::from(frame).slice(body..)
}
