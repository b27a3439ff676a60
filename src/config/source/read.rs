//! A file as text, no longer than it may be.

use std::fs::File;
use std::io::{self, Read};

use super::Problems;
use crate::config::error::ConfigProblem;
use crate::config::options::{ConfigFile, ConfigOptions};

/// The file's text; `None` when it is missing and may be, or when the reason is among the problems.
pub(super) fn text(options: &ConfigOptions, file: &ConfigFile, name: &str, problems: &mut Problems) -> Option<String> {
    let path = options.base_dir.join(&file.path);
    let mut refuse = |what: String| {
        problems.push(ConfigProblem::of_source(format_args!("`{name}`"), what));
        None
    };
    let max = options.max_file_bytes;
    // One byte more than is allowed: whether there is one is all we want to know.
    let limit = u64::try_from(max).unwrap_or(u64::MAX).saturating_add(1);
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(limit).read_to_end(&mut bytes));
    match read {
        Err(error) if error.kind() == io::ErrorKind::NotFound && !file.required => None,
        Err(error) if error.kind() == io::ErrorKind::NotFound => refuse("is missing".to_owned()),
        Err(error) => refuse(format!("cannot be read: {}", error.kind())),
        Ok(_) if bytes.len() > max => refuse(format!("is longer than {max} bytes")),
        Ok(_) => match String::from_utf8(bytes) {
            Ok(text) => Some(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text)),
            Err(_) => refuse("is not UTF-8".to_owned()),
        },
    }
}

/// Which line a byte of a text stands in, counted from 1.
pub(super) struct Lines(Vec<usize>);

impl Lines {
    pub(super) fn of(text: &str) -> Self {
        Self(text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at).collect())
    }

    pub(super) fn line(&self, at: usize) -> usize {
        self.0.partition_point(|newline| *newline < at) + 1
    }
}
