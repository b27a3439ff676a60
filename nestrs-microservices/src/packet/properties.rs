//! What is written is read again, by the other side's reader.

use bytes::BytesMut;
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::net::codec::NestDecoder;

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[ -~é漢😀\u{0}\n]{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 8, 3, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..3).prop_map(Value::from),
            vec(("[ -~é]{0,6}", inner), 0..3).prop_map(|all| Value::Object(all.into_iter().collect())),
        ]
    })
}

/// The bodies of the frames in `bytes`, which are nothing else.
fn bodies(bytes: &[u8]) -> Vec<Bytes> {
    let (mut decoder, mut buffer) = (NestDecoder::new(usize::MAX), BytesMut::from(bytes));
    let bodies = std::iter::from_fn(|| decoder.decode(&mut buffer).unwrap()).collect();
    assert!(buffer.is_empty());
    bodies
}

fn value(json: &[u8]) -> Value {
    serde_json::from_slice(json).unwrap()
}

/// All of a packet as it was sent.
fn texts(packet: Packet) -> (Option<Bytes>, bool, Bytes, Option<Bytes>, Option<Vec<u8>>) {
    let metadata = packet.metadata.map(|metadata| metadata.text().to_vec());
    (packet.pattern, packet.payload.is_absent(), packet.payload.to_bytes(), packet.id, metadata)
}

/// JavaScript's idea of what is nothing: `if (err)`.
fn is_truthy(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(truth) => *truth,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(_) | Value::Object(_) => true,
    }
}

/// What values are made of, whole and broken: most strings of these are no JSON.
const PIECES: [&str; 51] = [
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "\"",
    "\\",
    " ",
    "\n",
    "\u{1}",
    "é",
    "😀",
    "{}",
    "[]",
    "[ ]",
    "{ }",
    "[1,2]",
    "[1,]",
    "[1,20,03]",
    "[1,2.5e1,-60,7]",
    "[10,2,.5]",
    "{\"a\":1,2:3}",
    "[1 ,2, 3 ]",
    "{\"a\":1}",
    "{\"a\":[{\"b\" : null}] }",
    "\"a\":",
    "\"text\"",
    "\"\\n\\u00e9\"",
    "\"\\ud83d\"",
    "\"\\x\"",
    "\"\\u12\"",
    "\"\\\\\"",
    "\"twelve and some\"",
    "true",
    "false",
    "null",
    "nul",
    "0",
    "-0",
    "-",
    "01",
    "12.5",
    "1.",
    ".5",
    "1e5",
    "1E+99",
    "1e-400",
    "1e309",
    "1e",
    "17",
];

fn pieces() -> impl Strategy<Value = String> {
    let sound = json_value().prop_map(|value| value.to_string());
    let pieces = vec(prop::sample::select(PIECES.to_vec()), 1..5).prop_map(|all| all.concat());
    let nested = (0..140_usize, pieces.clone())
        .prop_map(|(depth, inner)| format!("{}{inner}{}", "[".repeat(depth), "]".repeat(depth)));
    prop_oneof![3 => sound, 3 => pieces, 1 => nested]
}

/// An object with such members, each of them there or not, seldom in an order that is not usual.
fn body(keys: &'static [&'static str]) -> impl Strategy<Value = String> {
    let member =
        |key: &'static str| prop::option::weighted(0.7, pieces().prop_map(move |value| format!("\"{key}\":{value}")));
    let usual = keys.iter().map(|key| member(key)).collect::<Vec<_>>();
    let (end, swap) =
        (prop::sample::select(vec!["}", "}", "}", " }", "", "}}", ",\"x\":1}"]), prop::bool::weighted(0.1));
    (usual, end, swap).prop_map(|(members, end, swap)| {
        let mut members: Vec<String> = members.into_iter().flatten().collect();
        if swap {
            members.reverse();
        }
        format!("{{{}{end}", members.join(","))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    /// What the reader of usual packets takes, the general one takes in the same way.
    #[test]
    fn fr_6_a_usual_packet_is_read_as_any_other(body in body(&["pattern", "data", "metadata", "id"])) {
        let frame = Bytes::from(body);
        if usual::members(&frame).is_some() {
            let [usual, any] = [Packet::read_text(frame.clone()), Packet::read_any(&frame)].map(|read| format!("{:?}", read.map(texts)));
            prop_assert_eq!(usual, any);
        }
    }

    #[test]
    fn cl_12_a_usual_response_is_read_as_any_other(
        body in prop_oneof![body(&["response", "isDisposed", "id"]), body(&["err", "isDisposed", "id"])],
    ) {
        let frame = Bytes::from(body);
        if let Some(members) = usual::response_members(&frame) {
            let of = |read: Response<'_>| match read.event {
                ResponseEvent::Value { payload, last } => format!("{:?} {:?} {last}", read.id, payload.to_bytes()),
                event => format!("{:?} {event:?}", read.id),
            };
            let any = Response::read_any(&frame).map(of).map_err(|error| TestCaseError::fail(error.to_string()))?;
            prop_assert_eq!(of(Response::of(&frame, &members)), any);
        }
    }

    #[test]
    fn fr_16_requests_that_are_written_are_read_again(
        pattern in json_value(),
        data in json_value(),
        metadata in prop::option::of(vec(("[a-z-]{1,8}", "[ -~é😀]{0,8}"), 0..4)),
        id in prop::option::of("[0-9a-f]{21}"),
    ) {
        let metadata: Option<serde_json::Map<String, Value>> =
            metadata.map(|all| all.into_iter().map(|(name, text)| (name, text.into())).collect());
        let [pattern_json, data_json] = [&pattern, &data].map(Value::to_string);
        let metadata_json = metadata.clone().map(|all| Value::Object(all).to_string());
        let mut out = b"2#{}".to_vec();
        let [metadata_text, id_text] = [&metadata_json, &id].map(|text| text.as_deref().map(str::as_bytes));
        let len = write_request(&mut out, &pattern_json, data_json.as_bytes(), metadata_text, id_text);

        let bodies = bodies(&out);
        prop_assert_eq!((bodies.len(), bodies[1].len()), (2, len));
        let packet = Packet::read(&bodies[1]).unwrap();
        prop_assert_eq!(value(&packet.pattern.unwrap()), pattern);
        prop_assert_eq!(value(&packet.payload.json()), data);
        prop_assert_eq!(packet.id.map(|id| value(&id)), id.map(Value::from));
        let read = packet.metadata.map(|all| all.iter().map(|(name, text)| (name.to_owned(), text.into())).collect());
        prop_assert_eq!(read, metadata);
    }

    #[test]
    fn fr_16_answers_that_are_written_are_read_again(data in json_value(), last in any::<bool>(), id in json_value()) {
        let error = TransportError::exact(data.clone());
        let err = error.to_wire();
        let answers = [
            Answer::Value { payload: Payload::from_json(data.to_string()), last },
            Answer::End,
            Answer::Error(error),
            Answer::NoHandler,
        ];
        let mut out = Vec::new();
        for answer in &answers {
            answer.write_frame(&mut out, id.to_string().as_bytes());
        }
        let frames = bodies(&out);
        let responses: Vec<Response<'_>> = frames.iter().map(|body| Response::read(body).unwrap()).collect();
        prop_assert_eq!(responses.len(), answers.len());
        for response in &responses {
            prop_assert_eq!(value(response.id.unwrap()), id.clone());
        }
        let ResponseEvent::Value { payload, last: read_last } = &responses[0].event else { panic!("{responses:?}") };
        prop_assert_eq!((value(&payload.json()), *read_last), (data.clone(), last));
        prop_assert!(matches!(responses[1].event, ResponseEvent::End));
        // An error that JavaScript takes for nothing is the end alone, there and here.
        match &responses[2].event {
            ResponseEvent::Error(read) => prop_assert_eq!(read, &err),
            event => prop_assert!(!is_truthy(&err) && matches!(event, ResponseEvent::End), "{:?}", event),
        }
        let ResponseEvent::Error(read) = &responses[3].event else { panic!("{responses:?}") };
        prop_assert_eq!(read, &json!(NO_HANDLER));
    }

    /// NestJS fact sheet, section 3, on the whole packet as one value.
    #[test]
    fn cl_12_any_response_is_read_as_nestjs_reads_it(
        members in vec((prop::sample::select(vec!["id", "err", "response", "isDisposed", "status", "x"]), json_value()), 0..6),
        noise in any::<Vec<u8>>(),
    ) {
        let noise = Bytes::from(noise);
        let _ = Response::read(&noise);
        let body = members.iter().map(|(name, value)| format!("{}:{value}", json!(name))).collect::<Vec<_>>().join(",");
        let body = Bytes::from(format!("{{{body}}}"));
        let whole = value(&body);
        let response = Response::read(&body).unwrap();
        prop_assert_eq!(response.id.map(value), whole.get("id").cloned());
        let [err, response_value, is_disposed] = ["err", "response", "isDisposed"].map(|name| whole.get(name));
        let last = is_disposed.is_some_and(is_truthy);
        match response.event {
            ResponseEvent::Error(read) => {
                prop_assert!(is_truthy(&read));
                prop_assert_eq!(Some(&read), err);
            }
            ResponseEvent::End => prop_assert!(last && response_value.is_none() && !err.is_some_and(is_truthy)),
            ResponseEvent::Value { payload, last: read_last } => {
                prop_assert!(!err.is_some_and(is_truthy));
                if err.is_none() && response_value.is_none() && is_disposed.is_none() {
                    prop_assert_eq!((value(&payload.json()), read_last), (whole, true));
                } else {
                    prop_assert_eq!(read_last, last);
                    prop_assert_eq!(payload.is_absent(), response_value.is_none());
                    prop_assert!(response_value.is_none_or(|read| value(&payload.json()) == *read));
                }
            }
        }
    }
}
