//! Lines for machines, as NestJS's `ConsoleLogger` with `json: true` writes them.

use std::fmt::Write;

use super::escape::push_json;
use super::lines::Stamp;
use super::record::{Fields, Record, Value};
use super::time::{Moment, unix_millis};

/// The members that every line has; a field of one of these names gets an underscore behind its own.
const RESERVED: &[&str] = &["level", "pid", "timestamp", "message", "context", "spans"];

/// Appends `{"level":"log","pid":12345,"timestamp":1795248847042,"message":"…","context":"…"` and the fields, then
/// `"spans":[{"name":"call",…}]`, the outermost first, where there are any.
pub(super) fn write(line: &mut String, record: &Record, stamp: &Stamp<'_>, iso: bool) {
    let Stamp { pid, time, .. } = stamp;
    let _ = write!(line, r#"{{"level":"{}","pid":{pid},"timestamp":"#, record.level);
    if iso {
        push_json(line, &Moment::of(*time).iso());
    } else {
        let _ = write!(line, "{}", unix_millis(*time));
    }
    line.push_str(r#","message":"#);
    push_json(line, &record.message);
    line.push_str(r#","context":"#);
    push_json(line, &record.context);
    push_fields(line, &record.fields, RESERVED);
    if !record.spans.is_empty() {
        line.push_str(r#","spans":["#);
        for (at, span) in record.spans.iter().enumerate() {
            line.push_str(if at == 0 { r#"{"name":"# } else { r#",{"name":"# });
            push_json(line, span.name);
            push_fields(line, &span.fields, &["name"]);
            line.push('}');
        }
        line.push(']');
    }
    line.push_str("}\n");
}

fn push_fields(line: &mut String, fields: &Fields, reserved: &[&str]) {
    for (name, value) in fields.iter() {
        line.push(',');
        let suffix = if reserved.contains(&name) { "_" } else { "" };
        push_json(line, &format!("{name}{suffix}"));
        line.push(':');
        match value {
            Value::Text(text) => push_json(line, text),
            // JSON has no such numbers.
            Value::Float(number) if !number.is_finite() => push_json(line, &number.to_string()),
            number => _ = write!(line, "{number}"),
        }
    }
}
