//! Where the files of a broker are.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// A directory of one broker, gone with it.
#[derive(Debug)]
pub struct Place(PathBuf);

impl Place {
    pub(crate) fn new(program: &str) -> io::Result<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let name = format!("nestrs-{program}-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        // What a process of the same number has left behind, killed before it could clean up.
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(path.join("data"))?;
        Ok(Self(path))
    }

    /// A file in it.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Where the broker keeps its own files.
    #[must_use]
    pub fn data(&self) -> PathBuf {
        self.0.join("data")
    }

    /// Writes a file, and gives its path as text.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, name: &str, text: &str) -> io::Result<String> {
        let path = self.file(name);
        fs::write(&path, text)?;
        Ok(path.display().to_string())
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
