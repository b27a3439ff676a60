//! Arguments of handlers: from the payload, from the packet's metadata, from the container, through pipes of their own.
//!
//! What comes from the call itself is made by [`crate::FromContext`].

pub(crate) mod bound;
mod date;
pub(crate) mod lenient;
pub(crate) mod parse;
pub(crate) mod pipe;
pub(crate) mod read;
