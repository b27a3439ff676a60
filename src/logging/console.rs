//! Lines for people, as NestJS's `ConsoleLogger` writes them.

use std::fmt::Write;

use super::escape::{push_plain, push_value};
use super::level::LogLevel;
use super::lines::Stamp;
use super::record::{Fields, Record};
use super::time::Moment;

/// Appends `[Nest] 12345  - 11/21/2026, 8:14:07 AM     LOG [Context] message name=value span{name=value} +3ms`.
pub(super) fn write(line: &mut String, record: &Record, stamp: &Stamp<'_>, colour: bool) {
    let Stamp { prefix, pid, time, since_last } = stamp;
    let (begin, end) = if colour { colours(record.level) } else { ("", "") };
    let (yellow, plain) = if colour { ("\x1b[38;5;3m", "\x1b[39m") } else { ("", "") };
    let time = Moment::of(*time).american();
    let level = record.level.name().to_ascii_uppercase();
    let _ = write!(line, "{begin}[{prefix}] {pid}  - {end}{time} {begin}{level:>7}{end} {yellow}[");
    push_plain(line, &record.context);
    let _ = write!(line, "] {plain}{begin}");
    push_plain(line, &record.message);
    line.push_str(end);
    push_rest(line, record);
    if let Some(millis) = since_last {
        let _ = write!(line, "{yellow} +{millis}ms{plain}");
    }
    line.push('\n');
}

/// Appends what follows a message: the line's own fields, then those of the spans around it.
pub(super) fn push_rest(line: &mut String, record: &Record) {
    push_fields(line, &record.fields, " ");
    for span in &record.spans {
        let _ = write!(line, " {}", span.name);
        if span.fields.iter().next().is_some() {
            line.push('{');
            push_fields(line, &span.fields, "");
            line.push('}');
        }
    }
}

fn push_fields(line: &mut String, fields: &Fields, mut before: &str) {
    for (name, value) in fields.iter() {
        line.push_str(before);
        line.push_str(name);
        line.push('=');
        push_value(line, &value.to_string());
        before = " ";
    }
}

/// NestJS's colours for levels: green, red, yellow, bright magenta, bright cyan, bold.
fn colours(level: LogLevel) -> (&'static str, &'static str) {
    match level {
        LogLevel::Log => ("\x1b[32m", "\x1b[39m"),
        LogLevel::Error => ("\x1b[31m", "\x1b[39m"),
        LogLevel::Warn => ("\x1b[33m", "\x1b[39m"),
        LogLevel::Debug => ("\x1b[95m", "\x1b[39m"),
        LogLevel::Verbose => ("\x1b[96m", "\x1b[39m"),
        LogLevel::Fatal => ("\x1b[1m", "\x1b[0m"),
    }
}
