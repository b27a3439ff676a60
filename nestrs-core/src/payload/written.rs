//! What is being written as JSON: on the stack while it is short, so that most replies allocate little or nothing.

use std::io;

use bytes::Bytes;

use super::Source;

/// As many bytes as a payload holds without an allocation, and no larger for it.
const SHORT_MAX: usize = 31;
/// As many as are written before anything is allocated.
const STACK_MAX: usize = 256;
/// What is allocated beyond what has to be: the brackets and quotes behind a long text should not move it.
const ROOM: usize = 128;

/// A text held without an allocation. In whole words, as are the other sources of payloads: a reply is handed on several times
/// while it has just been written, and a processor waits where it reads in other pieces than were written.
#[derive(Clone)]
#[repr(align(8))]
pub(super) struct Short {
    len: u8,
    text: [u8; SHORT_MAX],
}

impl Short {
    pub(super) fn text(&self) -> &[u8] {
        self.text.get(..usize::from(self.len)).unwrap_or_default()
    }
}

pub(super) struct Written {
    /// The text up to `len`, until it has become too long for here.
    stack: [u8; STACK_MAX],
    len: usize,
    /// All of it from then on.
    heap: Vec<u8>,
}

impl Written {
    pub(super) const fn new() -> Self {
        Self { stack: [0; STACK_MAX], len: 0, heap: Vec::new() }
    }

    pub(super) fn into_source(self) -> Source {
        if self.heap.is_empty()
            && let Some(text) = self.stack.first_chunk()
            && let Ok(len @ 0..=SHORT_LEN_MAX) = u8::try_from(self.len)
        {
            return Source::Short(Short { len, text: *text });
        }
        Source::Json(self.into_bytes())
    }

    pub(super) fn into_bytes(self) -> Bytes {
        if self.heap.is_empty() { Bytes::copy_from_slice(self.short()) } else { self.heap.into() }
    }

    pub(super) fn into_vec(self) -> Vec<u8> {
        if self.heap.is_empty() { self.short().to_vec() } else { self.heap }
    }

    /// What is on the stack.
    fn short(&self) -> &[u8] {
        self.stack.get(..self.len).unwrap_or_default()
    }
}

#[expect(clippy::cast_possible_truncation, reason = "it is thirty-one")]
const SHORT_LEN_MAX: u8 = SHORT_MAX as u8;

impl io::Write for Written {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        self.write_all(text).map(|()| text.len())
    }

    fn write_all(&mut self, text: &[u8]) -> io::Result<()> {
        if self.heap.is_empty() {
            if let Some(room) = self.stack.get_mut(self.len..self.len + text.len()) {
                room.copy_from_slice(text);
                self.len += text.len();
                return Ok(());
            }
            self.heap.reserve_exact(self.len + text.len() + ROOM);
            self.heap.extend_from_slice(self.stack.get(..self.len).unwrap_or_default());
        } else if self.heap.capacity() - self.heap.len() < text.len() {
            self.heap.reserve(text.len() + ROOM);
        }
        self.heap.extend_from_slice(text);
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
