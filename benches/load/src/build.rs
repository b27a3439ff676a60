//! What it takes to build the least TCP service there is, and what comes out.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::settings::Settings;
use crate::table::Table;

/// Below the build directory, so that it goes with it.
const PLACE: &str = "target/bench-minimal";

const PROGRAM: &str = r#"use nestrs::microservices::TcpMicroserviceOptions;
use nestrs::prelude::*;

#[injectable]
struct Math;

#[micro_routes]
impl Math {
    #[message_pattern("math.sum")]
    async fn sum(&self, numbers: Vec<i64>) -> i64 {
        numbers.iter().sum()
    }
}

#[module(providers = [Math], microservices = [Math])]
struct App;

#[tokio::main]
async fn main() -> Result<(), ListenError> {
    NestFactory::create_microservice::<App>(TcpMicroserviceOptions::bind("127.0.0.1:0")).listen().await
}
"#;

/// The release profile is that of a service; the versions are those of our lock file.
fn manifest(root: &Path) -> String {
    format!(
        r#"[package]
name = "minimal"
version = "0.0.0"
edition = "2024"

[dependencies]
nestrs = {{ path = "{}", default-features = false, features = ["microservices"] }}
tokio = {{ version = "1", default-features = false, features = ["macros", "rt-multi-thread"] }}

[profile.release]
lto = "fat"
codegen-units = 1
strip = true

[workspace]
"#,
        root.display()
    )
}

pub(crate) fn measure(_settings: &Settings) -> Result<Vec<Table>, String> {
    let root = std::env::current_dir().map_err(|error| error.to_string())?;
    let place = root.join(PLACE);
    make(&root, &place).map_err(|error| format!("{}: {error}", place.display()))?;
    // The dependencies are there already: they are those of the load program.
    cargo(&place, "fetch")?;
    let before = children();
    cargo(&place, "build --release --quiet")?;
    let cpu = children().saturating_sub(before);
    let binary = fs::metadata(place.join("target/release/minimal")).map_err(|error| error.to_string())?.len();
    let tree = cargo(&place, "tree --prefix none --edges normal,build")?;
    let mut crates: Vec<_> = tree.lines().map(|line| line.trim_end_matches(" (*)")).collect();
    crates.sort_unstable();
    crates.dedup();
    let row = vec![
        format!("{:.0}", cpu.as_secs_f64()),
        crates.len().to_string(),
        format!("{:.2} MiB ({binary} bytes)", binary as f64 / (1 << 20) as f64),
    ];
    let columns = ["clean release build, CPU-seconds", "crates, its own among them", "stripped binary"];
    Ok(vec![Table {
        title: "The least TCP service, without default features".to_owned(),
        columns: columns.map(str::to_owned).to_vec(),
        rows: vec![row],
    }])
}

fn make(root: &Path, place: &PathBuf) -> std::io::Result<()> {
    if place.exists() {
        fs::remove_dir_all(place)?;
    }
    fs::create_dir_all(place.join("src"))?;
    fs::write(place.join("src/main.rs"), PROGRAM)?;
    fs::write(place.join("Cargo.toml"), manifest(root))?;
    fs::copy(root.join("Cargo.lock"), place.join("Cargo.lock")).map(drop)
}

fn cargo(place: &Path, words: &str) -> Result<String, String> {
    let mut command = Command::new("cargo");
    let command = command.args(words.split(' ')).current_dir(place).env("CARGO_TARGET_DIR", place.join("target"));
    let output = command.output().map_err(|error| error.to_string())?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(format!("cargo {words}: {}", String::from_utf8_lossy(&output.stderr)))
}

/// Processor time of all processes that this one has started and that have ended.
fn children() -> Duration {
    let text = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = text.rsplit_once(')').map_or("", |(_, rest)| rest);
    let ticks = after_name.split_whitespace().skip(13).take(2).filter_map(|ticks| ticks.parse::<u64>().ok());
    Duration::from_millis(ticks.sum::<u64>() * 10)
}
