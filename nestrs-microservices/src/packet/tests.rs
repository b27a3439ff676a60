use serde_json::json;

use super::*;

fn read(body: &'static str) -> Packet {
    Packet::read(&Bytes::from_static(body.as_bytes())).unwrap()
}

fn written(answer: &Answer, id: &str) -> String {
    let mut out = Vec::new();
    answer.write_frame(&mut out, id.as_bytes());
    String::from_utf8(out).unwrap()
}

fn value(json: &'static str, last: bool) -> Answer {
    Answer::Value { payload: Payload::from_json(json), last }
}

/// The server's half of the recorded transcripts, byte for byte.
#[test]
fn responses_are_written_as_nestjs_writes_them() {
    let check = |answer: Answer, id: &str, frame: &str| assert_eq!(written(&answer, id), frame);
    check(
        value("6", true),
        r#""258f10f31c2066481ed6e""#,
        r#"61#{"response":6,"isDisposed":true,"id":"258f10f31c2066481ed6e"}"#,
    );
    check(
        value(r#""é漢😀""#, true),
        r#""8f10f31c2066481ed6e7f""#,
        r#"66#{"response":"é漢😀","isDisposed":true,"id":"8f10f31c2066481ed6e7f"}"#,
    );
    check(value("1", false), r#""f31c2066481ed6e7fe43d""#, r#"43#{"response":1,"id":"f31c2066481ed6e7fe43d"}"#);
    check(Answer::End, r#""31c2066481ed6e7fe43d3""#, r#"48#{"isDisposed":true,"id":"31c2066481ed6e7fe43d3"}"#);
    check(
        value("null", true),
        r#""2066481ed6e7fe43d34b5""#,
        r#"64#{"response":null,"isDisposed":true,"id":"2066481ed6e7fe43d34b5"}"#,
    );
    check(
        Answer::Error(TransportError::new("boom")),
        r#""066481ed6e7fe43d34b56""#,
        r#"90#{"err":{"status":"error","message":"boom"},"isDisposed":true,"id":"066481ed6e7fe43d34b56"}"#,
    );
    check(
        Answer::Error(TransportError::exact(json!({"code": 42, "message": "boom"}))),
        r#""66481ed6e7fe43d34b566""#,
        r#"83#{"err":{"code":42,"message":"boom"},"isDisposed":true,"id":"66481ed6e7fe43d34b566"}"#,
    );
    check(
        Answer::NoHandler,
        r#""1ed6e7fe43d34b566fa5f""#,
        r#"123#{"id":"1ed6e7fe43d34b566fa5f","status":"error","err":"There is no matching message handler defined in the remote service."}"#,
    );
}

#[test]
fn rq_9_items_that_are_written_together_are_those_that_are_written_one_by_one() {
    let long = format!("\"{}\"", "x".repeat(LONG_MIN));
    let others = [value("6", true), value(r#""é""#, false), Answer::End, Answer::Error(TransportError::new("boom"))];
    let others = others.into_iter().chain([
        Answer::Value { payload: Payload::absent(), last: false },
        Answer::Value { payload: Payload::from_json(long), last: false },
        Answer::Value { payload: Payload::from_json("x".repeat(1000)), last: false },
    ]);
    for other in others {
        let mut answers: Vec<_> =
            (0..3).map(|item| Answer::Value { payload: Payload::from(json!(item)), last: false }).collect();
        answers.push(other);
        answers.push(value("7", false));
        let (mut together, mut single) = (Vec::new(), Vec::new());
        for id in ["\"1\"", "\"é\""] {
            let count = Answer::write_items(&answers, &mut together, id.as_bytes(), 1000);
            assert_eq!(count, if id.is_ascii() { 3 } else { 0 });
            answers[..count].iter().for_each(|answer| _ = answer.write_frame(&mut single, id.as_bytes()));
        }
        assert_eq!(together, single);
    }
}

/// Also where bytes have a digit more than units, and behind other frames.
#[test]
fn fr_1_a_written_length_counts_units_whatever_the_characters() {
    for character in ["x", "é", "漢", "😀"] {
        for times in [0, 1, 20, 30, 31, 60, 99, 300, 950, 5000] {
            let text = format!("\"{}\"", character.repeat(times));
            let body = format!(r#"{{"response":{text},"isDisposed":true,"id":"1"}}"#);
            let mut out = b"2#{}".to_vec();
            let len = Answer::Value { payload: Payload::from_json(text), last: true }.write_frame(&mut out, b"\"1\"");
            assert_eq!(len, body.len());
            assert_eq!(String::from_utf8(out).unwrap(), format!("2#{{}}{}#{body}", body.encode_utf16().count()));
        }
    }
}

#[test]
fn fr_9_an_id_of_any_type_is_echoed_unchanged() {
    for (request, response) in [
        (r#"{"pattern":"echo","data":1,"id":7}"#, r#"39#{"response":1,"isDisposed":true,"id":7}"#),
        (r#"{"pattern":"echo","data":1,"id":null}"#, r#"42#{"response":1,"isDisposed":true,"id":null}"#),
        (r#"{"pattern":"echo","data":1,"id":""}"#, r#"40#{"response":1,"isDisposed":true,"id":""}"#),
        (r#"{"pattern":"echo","data":1,"id":{"a":[1]}}"#, r#"47#{"response":1,"isDisposed":true,"id":{"a":[1]}}"#),
    ] {
        let packet = read(request);
        let id = String::from_utf8(packet.id.unwrap().to_vec()).unwrap();
        assert_eq!(written(&Answer::Value { payload: packet.payload, last: true }, &id), response);
    }
    let long = format!(r#"{{"pattern":"p","data":1,"id":"{}"}}"#, "x".repeat(ID_LEN_MAX));
    assert!(matches!(Packet::read(&Bytes::from(long)), Err(PacketError::IdTooLong)));
}

#[test]
fn fr_8_json_that_is_no_packet_is_an_event_for_nobody() {
    for body in ["null", "[]", "[{}]", "\"text\"", "5", "true", "{}", r#"{"id":"1"}"#, r#"{"a":1}"#, "1.5", "-1"] {
        let packet = read(body);
        assert!(packet.pattern.is_none() && packet.id.is_none(), "{body}");
    }
    // With `data` it is a packet, and its id asks for an answer.
    let packet = read(r#"{"data":1,"id":"1"}"#);
    assert!(packet.pattern.is_none() && packet.id.is_some());
}

#[test]
fn fr_6_what_is_not_json_is_no_packet() {
    for body in ["", "{bad json}", "{\"pattern\":", "{}{}", "nul", "{\"a\":01}"] {
        assert!(Packet::read(&Bytes::from_static(body.as_bytes())).is_err(), "{body}");
    }
}

#[test]
fn fr_6_nesting_ends_at_127_wherever_it_is() {
    let check = |depth: usize, good: bool| {
        let nested = format!("{}{}", r#"{"a":["#.repeat(depth / 2), "]}".repeat(depth / 2));
        // Brackets in texts are no nesting, nor are those that stand side by side.
        let data = format!(r#"{{"pattern":"{}\"[","x":[{}],"data":{nested}}}"#, "[{".repeat(200), "[],{}");
        assert_eq!(Packet::read(&Bytes::from(data)).is_ok(), good, "{depth}");
    };
    check(126, true);
    check(128, false);
    assert!(Packet::read(&Bytes::from("[]")).is_ok());
    assert!(Packet::read(&Bytes::from(format!("[{}[]]", "[],".repeat(500)))).is_ok(), "wide is not deep");
    assert!(Packet::read(&Bytes::from("[".repeat(100_000))).is_err());
}

#[test]
fn a_packet_borrows_its_members_whatever_their_order() {
    let packet = read(r#" {"id":"1", "data":{"a":[1, 2]},"extra":true,"pattern":{"cmd":"sum"},"id":"2"} "#);
    assert_eq!(packet.pattern.unwrap(), r#"{"cmd":"sum"}"#);
    assert_eq!(packet.payload.json().as_ref(), br#"{"a":[1, 2]}"#);
    assert_eq!(packet.id.unwrap(), r#""2""#, "the last one counts");
    let escaped = read(r#"{"\u0070attern":"echo","data":1}"#);
    assert_eq!(escaped.pattern.unwrap(), r#""echo""#);
}

#[test]
fn absent_data_and_null_are_told_apart() {
    assert!(read(r#"{"pattern":"echo","id":"1"}"#).payload.is_absent());
    assert!(!read(r#"{"pattern":"echo","data":null,"id":"1"}"#).payload.is_absent());
    assert_eq!(
        written(&Answer::Value { payload: Payload::absent(), last: true }, r#""1""#),
        r#"28#{"isDisposed":true,"id":"1"}"#
    );
}

#[test]
fn metadata_is_a_flat_object_of_strings() {
    let packet = read(r#"{"pattern":"header","data":1,"metadata":{"x-version":"1.0.0","n":1},"id":"1"}"#);
    let metadata = packet.metadata.unwrap();
    assert_eq!(metadata.iter().collect::<Vec<_>>(), [("x-version", "1.0.0")]);
    assert!(read(r#"{"pattern":"p","data":1,"metadata":"x"}"#).metadata.is_none());
}

/// The client's half of the recorded transcripts, byte for byte.
#[test]
fn requests_and_events_are_written_as_nestjs_writes_them() {
    let check = |pattern: &str, data: &str, metadata: Option<&str>, id: Option<&str>, frame: &str| {
        let mut out = Vec::new();
        write_request(&mut out, pattern, data.as_bytes(), metadata.map(str::as_bytes), id.map(str::as_bytes));
        assert_eq!(String::from_utf8(out).unwrap(), frame);
    };
    check(
        r#"{"cmd":"sum"}"#,
        "[1,2,3]",
        None,
        Some("258f10f31c2066481ed6e"),
        r#"69#{"pattern":{"cmd":"sum"},"data":[1,2,3],"id":"258f10f31c2066481ed6e"}"#,
    );
    check(
        r#""echo""#,
        r#""é漢😀""#,
        None,
        Some("8f10f31c2066481ed6e7f"),
        r#"61#{"pattern":"echo","data":"é漢😀","id":"8f10f31c2066481ed6e7f"}"#,
    );
    check(r#""user.created""#, r#"{"id":7}"#, None, None, r#"42#{"pattern":"user.created","data":{"id":7}}"#);
    check(
        r#""{\"a\":{\"c\":3,\"d\":2},\"b\":1}""#,
        r#"{"id":7}"#,
        None,
        None,
        r#"63#{"pattern":"{\"a\":{\"c\":3,\"d\":2},\"b\":1}","data":{"id":7}}"#,
    );
    check(
        r#""header""#,
        "1",
        Some(r#"{"x-version":"1.0.0"}"#),
        Some("7fe43d34b566fa5f9fdb4"),
        r#"91#{"pattern":"header","data":1,"metadata":{"x-version":"1.0.0"},"id":"7fe43d34b566fa5f9fdb4"}"#,
    );
}

/// Section 3 of the recorded transcripts: what a NestJS client makes of hand-made replies.
#[test]
fn responses_are_read_as_nestjs_reads_them() {
    let check = |body: &'static str, expected: &str| {
        let body = Bytes::from_static(body.as_bytes());
        let response = Response::read(&body).unwrap();
        let seen = match response.event {
            ResponseEvent::Value { payload, last } if payload.is_absent() => {
                format!("undefined{}", if last { " end" } else { "" })
            }
            ResponseEvent::Value { payload, last } => {
                format!("{}{}", String::from_utf8_lossy(&payload.json()), if last { " end" } else { "" })
            }
            ResponseEvent::End => "end".to_owned(),
            ResponseEvent::Error(err) => format!("error {err}"),
        };
        assert_eq!(seen, expected, "{body:?}");
    };
    check(r#"{"response":1,"isDisposed":true,"id":"ID"}"#, "1 end");
    check(r#"{"id":"ID","isDisposed":true,"response":1}"#, "1 end");
    check(r#"{"response":1,"id":"ID"}"#, "1");
    check(r#"{"isDisposed":true,"id":"ID"}"#, "end");
    check(r#"{"response":null,"isDisposed":true,"id":"ID"}"#, "null end");
    check(r#"{"response":1,"isDisposed":false,"id":"ID"}"#, "1");
    check(r#"{"err":"text","id":"ID"}"#, r#"error "text""#);
    check(r#"{"err":{"status":"error","message":"m"},"id":"ID"}"#, r#"error {"message":"m","status":"error"}"#);
    check(r#"{"err":"text","response":5,"isDisposed":true,"id":"ID"}"#, r#"error "text""#);
    check(r#"{"err":"","isDisposed":true,"id":"ID"}"#, "end");
    check(r#"{"err":null,"response":3,"isDisposed":true,"id":"ID"}"#, "3 end");
    check(r#"{"err":0,"response":3,"isDisposed":true,"id":"ID"}"#, "3 end");
    check(
        r#"{"id":"ID","status":"error","err":"There is no matching message handler defined in the remote service."}"#,
        r#"error "There is no matching message handler defined in the remote service.""#,
    );
    check(r#"{"response":1,"isDisposed":true,"id":"ID","status":"error"}"#, "1 end");
    check(r#"{"hello":"world","id":"ID"}"#, r#"{"hello":"world","id":"ID"} end"#);
    // Beside a foreign key NestJS 12 takes the whole packet for the value, even where it holds an error; we read it as
    // NestJS 11 does, because an error taken for a value is the worse mistake.
    check(r#"{"response":1,"isDisposed":true,"id":"ID","extra":true}"#, "1 end");
    check(r#"{"err":"text","isDisposed":true,"id":"ID","extra":true}"#, r#"error "text""#);
}

/// Wherever it stands, and whether anybody would have read it.
#[test]
fn fr_6_a_number_out_of_range_is_no_packet() {
    let long = "9".repeat(400);
    for number in ["1e400", "-1e400", "1E+400", "17.5e0309", "1.8e308", "1e99999999999", &long] {
        for body in [
            format!(r#"{{"pattern":"x","data":{number},"id":1}}"#),
            format!(r#"{{"pattern":"x","data":{{"a":["\ud83d",{{"b":[1, {number} ]}}]}},"id":"1"}}"#),
            format!(r#"{{"pattern":"x","data":{number},"data":1}}"#),
            format!(r#"{{"pattern":{{"cmd":{number}}},"data":1}}"#),
            format!(r#"{{"pattern":"x","id":{number}}}"#),
            format!(r#"{{"pattern":"x","id":{{"a":[{number}]}}}}"#),
            format!(r#"{{"pattern":"x","metadata":{{"a":{number}}}}}"#),
            format!(r#"{{"pattern":"x","data":1,"extra":{{"a":{number}}}}}"#),
            format!("[1,{number}]"),
            number.to_owned(),
        ] {
            let read = Packet::read(&Bytes::from(body.clone()));
            assert!(matches!(read, Err(PacketError::OutOfRange | PacketError::Json(_))), "{body}");
        }
        for body in [
            format!(r#"{{"id":"x","response":{number}}}"#),
            format!(r#"{{"id":"x","err":[{number}]}}"#),
            format!(r#"{{"id":"x","isDisposed":{number}}}"#),
            format!(r#"{{"id":"x","response":1,"extra":{number}}}"#),
            format!(r#"{{"id":{number},"response":1}}"#),
        ] {
            let frame = Bytes::from(body.clone());
            let read = Response::read(&frame);
            assert!(matches!(read, Err(PacketError::OutOfRange)), "{body}");
        }
    }
}

#[test]
fn fr_6_a_number_in_range_is_served_as_it_came() {
    let zeros = "0".repeat(400);
    let text = format!(r#""9e999, {} [1e400,{}]""#, "9".repeat(400), r#"\" 1e400 "#);
    let small = format!("1e-{}", "9".repeat(40));
    let long = "9".repeat(308);
    let fraction = format!("0.{zeros}1");
    for number in
        ["1e300", "1.7976931348623157e308", "0e400", "-0.0E+999", "1e+0000308", &small, &long, &fraction, &text]
    {
        for id in [number.to_owned(), format!(r#"{{"a":["\ud83d",{number}]}}"#)] {
            let body = format!(r#"{{"pattern":"x","data":{{"id":{id}}},"id":{id}}}"#);
            let packet = Packet::read(&Bytes::from(body)).unwrap();
            assert_eq!(packet.id.as_deref(), Some(id.as_bytes()));
            let frame = Bytes::from(format!(r#"{{"response":{id},"id":{id}}}"#));
            let response = Response::read(&frame).unwrap();
            assert_eq!(response.id, Some(id.as_bytes()));
        }
    }
}
