//! Brokers that are not installed.

use std::io::Write;
use std::path::{Path, PathBuf};

use crate::recipe::Recipe;

/// Where programs are that Debian holds for an administrator's, and that are on nobody else's `PATH`.
const SYSTEM: &[&str] = &["/usr/local/sbin", "/usr/sbin", "/sbin"];

/// The file of a program.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let directories =
        std::env::split_paths(&path).chain(SYSTEM.iter().map(|directory| Path::new(directory).to_owned()));
    directories.map(|directory| directory.join(program)).find(|file| file.is_file())
}

/// Says that a test does not run, or fails it where brokers have to be there.
#[track_caller]
pub(crate) fn skip(recipe: &impl Recipe) {
    let set = |name: &str| std::env::var(name).is_ok_and(|value| !["", "0", "false"].contains(&value.as_str()));
    let reason = if set("NESTRS_SKIP_BROKERS") {
        "NESTRS_SKIP_BROKERS is set".to_owned()
    } else {
        let reason = format!("there is no `{}` (Debian: `apt-get install {}`)", recipe.program(), recipe.package());
        assert!(!set("CI") && !set("NESTRS_REQUIRE_BROKERS"), "{reason}");
        reason
    };
    // On the real stderr: what a test prints is not shown when it passes.
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    let _ = writeln!(std::io::stderr(), "skipped: {test}: {reason}");
}

/// Whether brokers are to be started at all.
pub(crate) fn wanted() -> bool {
    std::env::var("NESTRS_SKIP_BROKERS").map_or(true, |value| ["", "0", "false"].contains(&value.as_str()))
}
