//! Raw TCP parts: codecs, and sockets of any kind. Nothing here knows of modules, handlers or stages.

pub mod codec;
pub mod io;
