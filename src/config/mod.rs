//! Typed configuration (NestJS's `@nestjs/config`).
//!
//! A configuration is a type of your own that implements `serde::Deserialize`. [`ConfigModule::for_root`] reads it at boot
//! from [`ConfigOptions`]' sources, each over those before it:
//!
//! 1. defaults: serde's (`#[serde(default)]`), and [`ConfigOptions::defaults`];
//! 2. TOML and JSON files;
//! 3. `.env` files;
//! 4. the environment: with the prefix `APP_`, `APP_DATABASE__PORT` is `database.port`;
//! 5. what the program [`set`](ConfigOptions::set)s.
//!
//! The environment is only read, never changed. When a key is wrong, the application does not start, and the error tells
//! *every* wrong key, where its value came from, and never the value:
//!
//! ```text
//! the application cannot start: `AppConfig` cannot be built: the configuration has 3 problems (AppModule → ConfigModule):
//!      `database.host`: missing; set it in a file or as `APP_DATABASE__HOST`
//!      `database.port`: expected u16, found a string (environment `APP_DATABASE__PORT`)
//!      `workers`: out of range: expected u8 (`config.toml:12`)
//! ```
//!
//! # What serde's shapes can do
//!
//! Structs, tuples, `Option`, `Vec`, maps, newtypes and enums report every key. A type that checks itself (`IpAddr`,
//! `#[serde(try_from = ..)]`) reports in its own words, in which parts of the value are masked, or not at all inside a
//! [`Secret`].
//!
//! `#[serde(flatten)]`, `#[serde(tag = ..)]` and `#[serde(untagged)]` make serde read a part before it knows the type.
//! The reader then tries which key and which reading is meant, so most problems there are found as well; but keys must be
//! written as the field is called (lower case in the environment's case), lists with commas and durations are not split,
//! unknown keys are not seen, a [`Secret`] there does not silence its type (masking still applies), and what an untagged enum refuses is one problem. What comes after a type that accepts none
//! of the values we try in place of a wrong one is reported once that is right.
//!
//! Deserializing a wrong configuration calls `Deserialize` several times: it must not have effects.

mod error;
mod module;
mod options;
mod path;
mod read;
mod secret;
mod service;
mod source;
mod tree;

pub use error::{ConfigError, ConfigProblem};
pub use module::{AsyncConfigOptions, ConfigModule};
pub use options::{ConfigFile, ConfigOptions, UnknownKeys};
pub use secret::Secret;
pub use service::ConfigService;
