use std::collections::BTreeMap;

use serde_json::json;

use super::*;
use crate::error::ErrorKind;

#[test]
fn fr_7_a_lone_surrogate_is_read_as_the_replacement_character() {
    let text = |json: &'static str| Payload::from_json(json).decode::<String>().unwrap();
    assert_eq!(text(r#""\ud83d""#), "\u{fffd}");
    assert_eq!(text(r#""\udc00x\ud83d""#), "\u{fffd}x\u{fffd}");
    assert_eq!(text(r#""\ud83d\ude00""#), "😀");
    assert_eq!(text(r#""\ud83d\ud83d\ude00""#), "\u{fffd}😀");
    assert_eq!(text(r#""\\ud83d""#), r"\ud83d");
    assert_eq!(Payload::from_json(r#"{"\ud83d":1}"#).value().unwrap(), &json!({"\u{fffd}": 1}));
}

#[test]
fn absent_differs_from_null_and_decodes_like_it() {
    assert!(Payload::absent().is_absent());
    assert!(!Payload::from_json("null").is_absent());
    assert_ne!(Payload::absent(), Payload::from_json("null"));
    assert_eq!(Payload::absent().decode::<Option<u8>>().unwrap(), None);
    assert_eq!(Payload::absent().into_value().unwrap(), Value::Null);
    assert_eq!(Payload::absent().json().as_ref(), b"null");
    assert!(Payload::absent().decode::<u8>().is_err());
}

#[test]
fn a_value_is_parsed_once_and_shared_by_clones_made_later() {
    let payload = Payload::from_json("[1,2]");
    let first: *const Value = payload.value().unwrap();
    let clone = payload.clone();
    assert!(std::ptr::eq(first, clone.value().unwrap()));
    assert_eq!(clone.into_value().unwrap(), json!([1, 2]));
}

#[test]
fn a_misfit_says_where_and_is_an_invalid_payload() {
    let error = Payload::from_json(r#"{"a":"x"}"#).decode::<std::collections::BTreeMap<String, u8>>().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidPayload);
    assert_eq!(error.message, "invalid payload: expected u8, found string, at `a`");
    let error = Payload::from_json("{bad").value().unwrap_err();
    assert!(error.message.contains("line 1") && error.details.is_none(), "{error}");
}

#[test]
fn a_payload_is_serialised_as_it_was_received() {
    let check = |text: &'static str| {
        let again = Payload::from_serialize(&Payload::from_json(text)).unwrap();
        assert_eq!(again.json(), text.as_bytes());
    };
    check(r#"{"b":1,"a":12345678901234567890123}"#);
    check(r#""\ud83d""#);
    assert_eq!(serde_json::to_string(&vec![Payload::absent(), json!(1).into()]).unwrap(), "[null,1]");
    assert!(Payload::from_serialize(&Payload::from_json("{bad")).is_err());
}

#[test]
fn debug_shows_no_content() {
    assert_eq!(format!("{:?}", Payload::from_json(r#""secret""#)), "Payload(8 bytes)");
    assert_eq!(format!("{:?}", Payload::from_value(json!("secret"))), "Payload(value)");
}

#[test]
fn received_bytes_are_decoded_and_passed_on_untouched() {
    let frame = Bytes::from_static(br#"xx{"a": 1}xx"#);
    let payload = Payload::from_json(frame.slice(2..10));
    assert_eq!(payload.json().as_ref(), br#"{"a": 1}"#, "spaces and all");
    assert_eq!(payload.json().as_ptr(), frame[2..].as_ptr(), "no copy was made");
    assert_eq!(payload.into_value().unwrap(), json!({"a": 1}));
}

#[test]
fn a_value_is_taken_without_a_copy_unless_someone_else_holds_it() {
    let payload = Payload::from(json!(["x"]));
    let other = payload.clone();
    assert_eq!(payload.into_value().unwrap(), json!(["x"]));
    assert_eq!(other.decode::<Vec<String>>().unwrap(), ["x"]);
    assert_eq!(other.json().as_ref(), br#"["x"]"#);
    assert_eq!(other.decode::<u8>().unwrap_err().kind(), ErrorKind::InvalidPayload);
}

#[test]
fn payloads_are_equal_as_json_values() {
    assert_eq!(Payload::from_json(r#"{"a":1,"b":2}"#), Payload::from_value(json!({"b": 2, "a": 1})));
    assert_ne!(Payload::from_json("1"), Payload::from_json("2"));
    assert_ne!(Payload::from_json("{bad"), Payload::from_json("{bad"));
    assert_eq!(Payload::default(), Payload::absent());
}

#[test]
fn rq_4_what_serde_refuses_keeps_its_reason_for_the_log() {
    let refused = std::collections::BTreeMap::from([((1, 2), 3)]);
    let error = Payload::from_serialize(&refused).unwrap_err();
    assert_eq!((error.kind(), error.is_withheld()), (ErrorKind::Internal, true));
    assert!(std::error::Error::source(&error).is_some());
    assert_eq!(Payload::from_serialize("x").unwrap(), Payload::from_json(r#""x""#));
}

#[test]
fn text_that_nests_too_deep_is_invalid_and_not_the_end_of_the_process() {
    let deep = |levels| Payload::from_json(format!("{}{}", "[".repeat(levels), "]".repeat(levels)));
    assert!(deep(127).value().is_ok());
    assert_eq!(deep(128).value().unwrap_err().kind(), ErrorKind::InvalidPayload);
    assert!(deep(1_000_000).decode::<Value>().is_err());
}

/// Every way of serde to write something, with texts, short and long, wherever they can be.
#[test]
fn a_value_is_written_as_serde_json_writes_it() {
    #[derive(Serialize)]
    struct Unit;
    #[derive(Serialize)]
    struct New<T>(T);
    #[derive(Serialize)]
    struct Two<T>(T, T);
    #[derive(Serialize)]
    struct Named<'a, T> {
        one: T,
        #[serde(skip_serializing_if = "Option::is_none")]
        none: Option<T>,
        raw: &'a RawValue,
        #[serde(flatten)]
        rest: BTreeMap<&'a str, T>,
    }
    #[derive(Serialize)]
    enum Any<T> {
        Unit,
        New(T),
        Two(T, T),
        Named { one: T, two: Option<T> },
    }
    struct Octets(Vec<u8>);
    impl Serialize for Octets {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.serialize_bytes(&self.0)
        }
    }
    struct Shown(String);
    impl Serialize for Shown {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.collect_str(&self.0)
        }
    }
    fn check<T: Serialize>(value: T) {
        let payload = Payload::from_serialize(&value).unwrap();
        let text = String::from_utf8(payload.json().to_vec()).unwrap();
        assert_eq!(text, serde_json::to_string(&value).unwrap());
        assert_eq!(payload.to_bytes(), text);
        assert_eq!(*payload.value().unwrap(), serde_json::from_str::<Value>(&text).unwrap());
        assert_eq!(format!("{payload:?}"), format!("Payload({} bytes)", text.len()));
        assert_eq!(serde_json::to_string(&payload).unwrap(), text);
    }
    let every: String = (0..0x100).filter_map(char::from_u32).collect();
    for len in [0, 1, 7, 27, 28, 29, 30, 31, 63, 64, 253, 254, 255, 256, 257, 500, 5000] {
        for text in [
            "x".repeat(len),
            "\"".repeat(len),
            format!("{}\n", "x".repeat(len)),
            format!("{every}{}漢😀", "é".repeat(len)),
        ] {
            let raw = RawValue::from_string(format!("[1.0, {}]", Value::from(&*text))).unwrap();
            let rest = BTreeMap::from([("key \"", &text), ("other", &text)]);
            check(&text);
            check((
                &text,
                'x',
                '\n',
                Unit,
                (),
                Some(New(&text)),
                None::<u8>,
                Two(&text, &text),
                Octets(vec![0, 10, 255]),
            ));
            check(vec![Any::Unit, Any::New(&text), Any::Two(&text, &text), Any::Named { one: &text, two: None }]);
            check(Named { one: &text, none: None, raw: &raw, rest: rest.clone() });
            check([
                Payload::from_json(Value::from(&*text).to_string()),
                Payload::absent(),
                json!({ "a": text }).into(),
            ]);
            check(rest.values().map(|text| (text.as_str(), vec![Shown(text.to_string())])).collect::<BTreeMap<_, _>>());
            check(BTreeMap::from([(1, -1_i128), (2, i128::from(u64::MAX))]));
            check(Octets(text.into_bytes()));
        }
    }
    check((1.0_f32, 1.5_f64, f64::NAN, 1e300, u64::MAX, i64::MIN, true));
    assert!(Payload::from_serialize(&BTreeMap::from([(vec![1], "a list is no key")])).is_err());
}

/// The ways to read a text: whole or with escapes, short or long, as what is made of texts and as what is not.
#[test]
fn a_text_is_read_as_serde_json_reads_it() {
    /// An error of the type's own, wherever in a text it stands.
    #[derive(Debug, PartialEq)]
    struct Even(String);
    impl<'de> serde::Deserialize<'de> for Even {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            use serde::de::Error;
            let text = String::deserialize(deserializer)?;
            if text.len() % 2 == 0 { Ok(Self(text)) } else { Err(D::Error::custom("odd")) }
        }
    }
    fn check<T: DeserializeOwned + PartialEq + fmt::Debug>(json: &[u8]) {
        let read = Payload::from_json(json.to_vec()).decode::<T>();
        match serde_json::from_slice::<T>(json) {
            Ok(value) => assert_eq!(read.unwrap(), value),
            Err(error) => {
                let read = read.unwrap_err();
                let expected = misfit::explain(json, &Whole(PhantomData::<T>), &error);
                assert_eq!((read.message, read.details), (expected.message, expected.details));
            }
        }
    }
    for len in [0, 1, 10, 125, 126, 127, 128, 129, 1000] {
        for end in ["\"", "é漢😀\"", "\\n\"", "\" ", "\"x", "", "\n\"", "\\u00e9\"", "\u{7f}\""] {
            let json = format!("\"{}{end}", "x".repeat(len));
            check::<String>(json.as_bytes());
            check::<Option<String>>(json.as_bytes());
            check::<Box<str>>(json.as_bytes());
            check::<Even>(json.as_bytes());
            check::<Value>(json.as_bytes());
            check::<u32>(json.as_bytes());
            check::<Vec<u8>>(json.as_bytes());
            check::<BTreeMap<String, String>>(json.as_bytes());
        }
        check::<String>(&[b"\"".as_slice(), &vec![b'x'; len], b"\xff\""].concat());
    }
}

/// Every call moves two of them, in whole words.
#[test]
fn a_short_text_makes_no_payload_larger() {
    assert_eq!(size_of::<Source>(), size_of::<Bytes>() + size_of::<usize>());
    assert_eq!((size_of::<Short>(), align_of::<Short>()), (size_of::<Bytes>(), 8));
}
