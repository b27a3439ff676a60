//! What it takes to build the least TCP service there is, and what comes out: with nestrs, by hand, and with the peers.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::musts;
use crate::server::here;
use crate::settings::Settings;
use crate::table::{Figures, Table};

/// Below the build directory, so that it goes with it.
const PLACE: &str = "target/bench-minimal";

/// What is built for a column of the table.
struct Minimal {
    server: &'static str,
    dependencies: &'static str,
    /// Relative to this package.
    program: &'static str,
    build_script: bool,
    /// Whose versions it is built with.
    lock: &'static str,
}

/// Without default features wherever there are some that the program does not need; the same release profile for all.
const ALL: &[Minimal] = &[
    Minimal {
        server: "nestrs",
        dependencies: r#"
nestrs = { path = "ROOT", default-features = false, features = ["microservices"] }
tokio = { version = "1", default-features = false, features = ["macros", "rt-multi-thread"] }
"#,
        program: "minimal/nestrs.rs",
        build_script: false,
        lock: "Cargo.lock",
    },
    Minimal {
        server: "yardstick",
        dependencies: r#"
serde = { version = "1", default-features = false, features = ["derive", "std"] }
serde_json = { version = "1", default-features = false, features = ["raw_value", "std"] }
tokio = { version = "1", default-features = false, features = ["io-util", "macros", "net", "rt-multi-thread"] }
"#,
        program: "src/bin/yardstick/main.rs",
        build_script: false,
        lock: "Cargo.lock",
    },
    Minimal {
        server: "floor",
        dependencies: r#"
tokio = { version = "1", default-features = false, features = ["io-util", "macros", "net", "rt-multi-thread"] }
"#,
        program: "src/bin/floor.rs",
        build_script: false,
        lock: "Cargo.lock",
    },
    Minimal {
        server: "tarpc-bincode",
        dependencies: r#"
futures = { version = "0.3", default-features = false, features = ["std"] }
tarpc = { version = "0.38", features = ["serde-transport", "serde-transport-bincode", "tcp"] }
tokio = { version = "1", default-features = false, features = ["macros", "net", "rt-multi-thread"] }
"#,
        program: "minimal/tarpc.rs",
        build_script: false,
        lock: "benches/peers/Cargo.lock",
    },
    Minimal {
        server: "tonic",
        dependencies: r#"
prost = "0.14"
tokio = { version = "1", default-features = false, features = ["macros", "rt-multi-thread"] }
tonic = { version = "0.14", default-features = false, features = ["channel", "codegen", "router", "transport"] }
tonic-prost = "0.14"

[build-dependencies]
tonic-build = { version = "0.14", default-features = false, features = ["transport"] }
"#,
        program: "minimal/tonic.rs",
        build_script: true,
        lock: "benches/peers/Cargo.lock",
    },
];

pub(crate) fn measure(settings: &Settings) -> Result<Vec<Table>, String> {
    let root = std::env::current_dir().map_err(|error| error.to_string())?;
    let mut figures = Figures::new("The least TCP service, built from nothing", musts::BUILD);
    for minimal in ALL.iter().filter(|minimal| settings.kinds().any(|kind| kind.name == minimal.server)) {
        minimal.measure(&root, &mut figures).map_err(|why| format!("{}: {why}", minimal.server))?;
    }
    Ok(figures.table().into_iter().collect())
}

impl Minimal {
    fn measure(&self, root: &Path, figures: &mut Figures) -> Result<(), String> {
        let place = root.join(PLACE).join(self.server);
        self.make(root, &place).map_err(|error| format!("{}: {error}", place.display()))?;
        // What is fetched is not built; most of it is there already, since it is what the load program needs.
        cargo(&place, "fetch")?;
        let before = children();
        cargo(&place, "build --release --quiet")?;
        let cpu = children().saturating_sub(before);
        let binary = fs::metadata(place.join("target/release/minimal")).map_err(|error| error.to_string())?.len();
        let tree = cargo(&place, "tree --prefix none --edges normal,build")?;
        let mut crates: Vec<_> = tree.lines().map(|line| line.trim_end_matches(" (*)")).collect();
        crates.sort_unstable();
        crates.dedup();
        let mut set = |figure, text| figures.set(figure, self.server, text);
        set("CPU-seconds of a clean release build", format!("{:.0}", cpu.as_secs_f64()));
        set("crates, its own among them", crates.len().to_string());
        set("stripped binary, MiB", format!("{:.2}", binary as f64 / (1 << 20) as f64));
        // A build takes room, and is made anew every time.
        fs::remove_dir_all(place).map_err(|error| error.to_string())
    }

    fn make(&self, root: &Path, place: &PathBuf) -> std::io::Result<()> {
        if place.exists() {
            fs::remove_dir_all(place)?;
        }
        fs::create_dir_all(place.join("src"))?;
        let source = root.join(here()).join(self.program);
        // A program may be more than one file.
        if source.file_name().is_some_and(|name| name == "main.rs") {
            for file in fs::read_dir(source.with_file_name(""))? {
                let file = file?;
                fs::copy(file.path(), place.join("src").join(file.file_name()))?;
            }
        }
        fs::copy(&source, place.join("src/main.rs"))?;
        if self.build_script {
            fs::copy(root.join("benches/peers/build.rs"), place.join("build.rs"))?;
        }
        let dependencies = self.dependencies.replace("ROOT", &root.display().to_string());
        let manifest = format!(
            "[package]\nname = \"minimal\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[dependencies]{dependencies}\n\
             [profile.release]\nlto = \"fat\"\ncodegen-units = 1\nstrip = true\n\n[workspace]\n"
        );
        fs::write(place.join("Cargo.toml"), manifest)?;
        fs::copy(root.join(self.lock), place.join("Cargo.lock")).map(drop)
    }
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
