//! From the tree to a type, with every key that does not fit.
//!
//! serde gives up at the first mistake. So we deserialize again and again: each pass that fails tells one mistake and its
//! place; the next finds a neutral value there, and goes on to the next mistake. The value that a pass with any such
//! patch makes is thrown away.

mod access;
mod cursor;
mod fault;
mod neutral;
mod pass;
mod repair;
mod report;
mod text;

use std::cell::RefCell;

use serde::de::DeserializeOwned;

use super::error::ConfigError;
use super::path::Path;
use super::service::Loaded;
use cursor::Cursor;

pub(super) use report::cure_of_missing;

/// What stands at `path` as a `T`.
///
/// # Errors
/// With every key that does not fit.
pub(super) fn read<T: DeserializeOwned>(loaded: &Loaded, path: &Path) -> Result<T, ConfigError> {
    let value = RefCell::new(None);
    // Behind `dyn`, so that all but this is compiled once and not for every type.
    let attempt = |cursor: Cursor<'_>| {
        *value.borrow_mut() = Some(T::deserialize(cursor)?);
        Ok(())
    };
    repair::run(loaded, path, &attempt)?;
    Ok(value.into_inner().expect("the last attempt succeeded"))
}
