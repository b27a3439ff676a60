//! Configuration: where values come from, what becomes of wrong ones, and how the application gets them.

mod application;
mod sources;
mod variables;
mod wrong_keys;

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU16;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use nestrs::config::{
    AsyncConfigOptions, ConfigError, ConfigModule, ConfigOptions, ConfigService, Secret, UnknownKeys,
};
use nestrs::microservices::{AsyncClientConfig, ClientConfig, TcpTransportOptions};
use nestrs::prelude::*;
use nestrs::{BootError, Module, boot};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;

/// A directory of its own for one test, gone afterwards.
struct Directory(PathBuf);

impl Directory {
    fn with(files: &[(&str, &str)]) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("nestrs-config-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        for (name, text) in files {
            fs::write(path.join(name), text).unwrap();
        }
        Self(path)
    }

    /// Options that see this directory and nothing of the machine.
    fn options(&self) -> ConfigOptions {
        nothing().base_dir(&self.0)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Options that read nothing.
fn nothing() -> ConfigOptions {
    ConfigOptions::default().ignore_env_file().environment([("", ""); 0]).env_prefix("APP_")
}

fn read<T: DeserializeOwned>(options: &ConfigOptions) -> Result<T, ConfigError> {
    ConfigService::load(options)?.root()
}

/// Every problem, as it is told.
#[track_caller]
fn problems<T: DeserializeOwned>(options: &ConfigOptions) -> Vec<String> {
    match read::<T>(options) {
        Ok(_) => panic!("it should not be accepted"),
        Err(error) => error.problems().iter().map(ToString::to_string).collect(),
    }
}

#[derive(Debug, PartialEq, Deserialize)]
struct AppConfig {
    name: String,
    #[serde(default = "three")]
    retries: u8,
    database: DatabaseConfig,
}

fn three() -> u8 {
    3
}

#[derive(Debug, PartialEq, Deserialize)]
struct DatabaseConfig {
    host: String,
    port: u16,
    #[serde(default)]
    replicas: Vec<String>,
}
