//! What Redis answers to questions about streams.

use std::sync::Arc;

use bytes::Bytes;
use redis::Value;

/// An entry, as it is stored.
#[derive(Debug, PartialEq)]
pub(super) struct Stored {
    pub(super) id: Arc<str>,
    pub(super) fields: Vec<(Bytes, Bytes)>,
}

/// An entry that was delivered and not acknowledged.
#[derive(Debug, PartialEq)]
pub(super) struct Pending {
    pub(super) id: Arc<str>,
    pub(super) deliveries: u32,
}

/// Of `XREADGROUP`: by key. Nothing where there was nothing in time.
pub(super) fn read(value: Value) -> Vec<(Arc<str>, Vec<Stored>)> {
    let streams: Vec<(Value, Value)> = match value {
        Value::Map(streams) => streams,
        Value::Array(streams) => streams.into_iter().filter_map(pair).collect(),
        _ => return Vec::new(),
    };
    streams.into_iter().filter_map(|(key, entries)| Some((text(key)?, stored(entries)))).collect()
}

/// Of `XCLAIM` and `XRANGE`.
pub(super) fn stored(value: Value) -> Vec<Stored> {
    array(value).into_iter().filter_map(entry).collect()
}

/// Of `XPENDING`.
pub(super) fn pending(value: Value) -> Vec<Pending> {
    let one = |value| {
        let mut parts = array(value).into_iter();
        let (id, _consumer) = (text(parts.next()?)?, parts.next());
        let (Some(Value::Int(_idle)), Some(Value::Int(deliveries))) = (parts.next(), parts.next()) else { return None };
        Some(Pending { id, deliveries: u32::try_from(deliveries).unwrap_or(u32::MAX) })
    };
    array(value).into_iter().filter_map(one).collect()
}

/// Of `XINFO CONSUMERS`: name, entries that are pending, milliseconds since it was heard of.
pub(super) fn consumers(value: Value) -> Vec<(Arc<str>, i64, i64)> {
    let one = |value| {
        let (mut name, mut pending, mut idle) = (None, 0, 0);
        for (key, value) in pairs(value) {
            match (&*text(key)?, value) {
                ("name", value) => name = text(value),
                ("pending", Value::Int(number)) => pending = number,
                ("idle", Value::Int(number)) => idle = number,
                _ => {}
            }
        }
        Some((name?, pending, idle))
    };
    array(value).into_iter().filter_map(one).collect()
}

fn entry(value: Value) -> Option<Stored> {
    let (id, fields) = pair(value)?;
    let bytes = |value| match value {
        Value::BulkString(bytes) => Some(Bytes::from(bytes)),
        Value::SimpleString(text) => Some(Bytes::from(text)),
        _ => None,
    };
    let fields = pairs(fields).into_iter().filter_map(|(name, value)| Some((bytes(name)?, bytes(value)?))).collect();
    Some(Stored { id: text(id)?, fields })
}

fn array(value: Value) -> Vec<Value> {
    match value {
        Value::Array(values) => values,
        _ => Vec::new(),
    }
}

fn pair(value: Value) -> Option<(Value, Value)> {
    let mut parts = array(value).into_iter();
    Some((parts.next()?, parts.next()?))
}

/// A map, whichever way it is written.
fn pairs(value: Value) -> Vec<(Value, Value)> {
    match value {
        Value::Map(pairs) => pairs,
        value => {
            let mut parts = array(value).into_iter();
            std::iter::from_fn(|| Some((parts.next()?, parts.next()?))).collect()
        }
    }
}

fn text(value: Value) -> Option<Arc<str>> {
    match value {
        Value::BulkString(bytes) => String::from_utf8(bytes).ok().map(Into::into),
        Value::SimpleString(text) => Some(text.into()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bulk(text: &str) -> Value {
        Value::BulkString(text.into())
    }

    #[test]
    fn entries_are_read_in_both_versions_of_the_protocol_and_nonsense_is_nothing() {
        let entry = || Value::Array(vec![bulk("1-0"), Value::Array(vec![bulk("packet"), bulk("{}")])]);
        let expected = || vec![Stored { id: "1-0".into(), fields: vec![("packet".into(), "{}".into())] }];
        let entries = || Value::Array(vec![entry(), Value::Nil]);
        assert_eq!(read(Value::Map(vec![(bulk("k"), entries())])), [("k".into(), expected())]);
        let two = Value::Array(vec![Value::Array(vec![bulk("k"), entries()])]);
        assert_eq!(read(two), [("k".into(), expected())]);
        assert_eq!(read(Value::Nil), []);
        assert_eq!(
            stored(Value::Array(vec![Value::Int(1), Value::Array(vec![]), Value::Array(vec![bulk("1-0")])])),
            []
        );
    }

    #[test]
    fn what_is_pending_is_read() {
        let one = Value::Array(vec![bulk("1-0"), bulk("a"), Value::Int(70), Value::Int(3)]);
        let read = pending(Value::Array(vec![one, Value::Array(vec![bulk("2-0")])]));
        assert_eq!(read, [Pending { id: "1-0".into(), deliveries: 3 }]);
        let info =
            [("name", bulk("a")), ("pending", Value::Int(2)), ("idle", Value::Int(9)), ("inactive", Value::Int(-1))];
        let flat = info.into_iter().flat_map(|(key, value)| [bulk(key), value]).collect();
        assert_eq!(consumers(Value::Array(vec![Value::Array(flat)])), [("a".into(), 2, 9)]);
    }
}
