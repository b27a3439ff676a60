//! Rules on payloads and bodies, by garde: feature `validation`.

#[cfg(feature = "http")]
mod body;
mod pipe;
mod valid;
mod violations;

pub use pipe::ValidationPipe;
pub use valid::Valid;
