//! How bytes on a stream become frames, and frames bytes.

pub mod nest;

pub(crate) use nest::is_ascii;
pub use nest::{FrameError, NestDecoder, utf16_len, write_frame_header};
