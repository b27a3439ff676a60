//! What holds for any bytes at all: frames, packets and patterns. The fuzz targets in `fuzz/` check the same.

mod frames;
mod packets;
mod patterns;

use std::time::{Duration, Instant};

use bytes::BytesMut;
use nestrs_core::Pattern;
use nestrs_microservices::net::codec::{NestDecoder, utf16_len};
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Value, json};

/// Text in which a character has one to four bytes, or is a control character.
fn text() -> impl Strategy<Value = String> {
    "[ -~é漢😀\u{0}\n\u{ffff}\u{10000}]{0,24}"
}

/// Streams that are nearly frames: true ones, false lengths, bytes that are no text, headers that are none.
fn stream() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        4 => text().prop_map(|text| frames::framed([text.as_bytes()])),
        2 => (0_usize..40, text()).prop_map(|(len, text)| format!("{len}#{text}").into_bytes()),
        1 => (0_usize..40, vec(any::<u8>(), 0..40)).prop_map(|(len, bytes)| [format!("{len}#").as_bytes(), &bytes].concat()),
        1 => "[ \r\n]{0,17}[0-9]{0,11}[#+x ]?".prop_map(String::into_bytes),
        1 => vec(any::<u8>(), 0..8),
    ];
    vec(piece, 0..6).prop_map(|pieces| pieces.concat())
}

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        text().prop_map(Value::from),
    ];
    let values = leaf.prop_recursive(6, 16, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            vec(("[ -~é]{0,4}", inner), 0..4).prop_map(|all| Value::Object(all.into_iter().collect())),
        ]
    });
    // Around the limit on members, with any of these in one of them.
    let wide = (values.clone(), 18_usize..24).prop_map(|(value, len)| {
        let members = (0..len).map(|key| (format!("k{key}"), if key == 0 { value.clone() } else { json!(key) }));
        Value::Object(members.collect())
    });
    prop_oneof![7 => values, 1 => wide]
}

/// Texts that are packets, or would be but for a member.
fn packet() -> impl Strategy<Value = String> {
    let name = prop::sample::select(vec!["pattern", "data", "id", "metadata", "isDisposed", "extra"]);
    let member = (name, json_value()).prop_map(|(name, value)| format!("{}:{value}", json!(name)));
    vec(member, 0..5).prop_map(|members| format!("{{{}}}", members.join(", ")))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn fr_1_a_length_is_what_javascript_counts(text in any::<String>(), wide in text()) {
        for text in [text, wide] {
            let one_by_one: usize = text.chars().map(char::len_utf16).sum();
            prop_assert_eq!(utf16_len(text.as_bytes()), one_by_one);
        }
    }

    /// Storage is looked at after each step, see FR-4.
    #[test]
    fn fr_1_any_bytes_come_to_the_same_however_they_are_cut_and_to_what_the_rules_say(
        stream in stream(),
        cuts in vec(0_u8..12, 0..4),
        max in prop::sample::select(vec![8_usize, 60, 64 * 1024]),
    ) {
        frames::check(&stream, max, &cuts);
    }

    /// Lengths that are announced are many times those that come.
    #[test]
    fn fr_4_storage_follows_the_bytes_that_came(
        announced in 0_usize..10_000_000,
        chunks in vec(1_usize..3000, 0..12),
        whole in vec(0_usize..400, 0..4),
    ) {
        let mut stream = frames::framed(whole.iter().map(|len| &[b'x'; 400][..*len]));
        stream.extend_from_slice(format!("{announced}#").as_bytes());
        stream.resize(stream.len() + chunks.iter().sum::<usize>(), b'x');
        let mut decoder = NestDecoder::new(usize::MAX);
        let (mut buffer, mut received) = (BytesMut::new(), 0);
        let mut rest = stream.as_slice();
        for len in chunks.iter().chain([&usize::MAX]) {
            let (chunk, after) = rest.split_at((*len).min(rest.len()));
            rest = after;
            received += chunk.len();
            buffer.extend_from_slice(chunk);
            while let Ok(Some(_)) = decoder.decode(&mut buffer) {}
            prop_assert!(buffer.capacity() <= 2 * received + 64 * 1024, "{} for {}", buffer.capacity(), received);
        }
    }

    #[test]
    fn fr_10_any_number_of_small_frames_in_one_read_comes_out_in_order(
        bodies in vec(prop::sample::select(vec!["", "{}", "7", "\"é\""]), 1..8),
        times in 1_usize..30,
    ) {
        let bodies: Vec<&[u8]> = bodies.iter().map(|body| body.as_bytes()).cycle().take(bodies.len() * times).collect();
        let mut buffer = BytesMut::from(frames::framed(bodies.iter().copied()).as_slice());
        let mut decoder = NestDecoder::new(16);
        for body in bodies {
            let decoded = decoder.decode(&mut buffer).unwrap();
            prop_assert_eq!(decoded.as_deref(), Some(body));
        }
        prop_assert!(buffer.is_empty());
    }

    #[test]
    fn fr_9_a_packet_has_the_members_that_its_json_has(packet in packet(), other in json_value(), text in text()) {
        packets::check(&packet);
        packets::check(&other.to_string());
        packets::check(&text);
    }

    /// Numbers about as large as a double can be, in bodies that read like numbers elsewhere too.
    #[test]
    fn fr_6_a_packet_is_refused_where_its_json_has_a_number_out_of_range(
        pieces in vec("[1-9]{1,3}(\\.5)?[eE][+-]?[0-9]{1,4}|[1-9]{60,330}(e[0-9]{1,2})?|\"[0-9e, \\]]{0,90}\"|[0-9]", 1..12),
    ) {
        // Zeros in front are not JSON, and refused for that.
        packets::check(&format!(r#"{{"data":{{"a":[{}]}}}}"#, pieces.join(",")));
        packets::check(&format!("[{}]", pieces.join(" , ")));
    }

    #[test]
    fn rq_2_a_route_is_bounded_and_leads_to_itself(value in json_value(), text in any::<String>()) {
        let json = value.to_string();
        patterns::check(&json);
        patterns::check(&text);
        patterns::check(&Value::from(json).to_string());
        patterns::check(&Value::from(text).to_string());
    }
}

/// What a frame costs byte by byte, and sixteen of a sixteenth: the same when what was counted is not counted again, and
/// sixteen times as much when it is. Both take as long, so that others who use the machine hold up both.
#[test]
fn fr_11_decoding_byte_by_byte_is_linear() {
    let cost = |frames: usize, len: usize| {
        let text = "é漢😀x".repeat(len / 5);
        let stream = frames::framed(std::iter::repeat_n(text.as_bytes(), frames));
        let once = || {
            let started = Instant::now();
            let (mut decoder, mut buffer) = (NestDecoder::new(usize::MAX), BytesMut::new());
            let mut bodies = 0;
            for byte in &stream {
                buffer.extend_from_slice(&[*byte]);
                bodies += usize::from(decoder.decode(&mut buffer).unwrap().is_some());
            }
            assert_eq!(bodies, frames);
            started.elapsed()
        };
        // The fastest of several, since others use the machine too.
        (0..5).map(|_| once()).min().unwrap_or(Duration::MAX)
    };
    let (small, large) = (cost(16, 16 * 1024), cost(1, 256 * 1024));
    assert!(large < small * 4, "{small:?} for 16 times 16 Ki units, {large:?} for 256 Ki");
}

/// The same for a pattern: its members and its depth are bounded, its length is not, below 64 KiB.
#[test]
fn rq_2_a_pattern_that_nests_or_repeats_itself_costs_no_more_than_its_length() {
    let started = Instant::now();
    for hostile in [
        "[".repeat(60_000),
        r#"{"a":"#.repeat(10_000),
        format!("[{}1]", "1,".repeat(30_000)),
        format!("{{{}\"z\":1}}", (0..5_000).map(|key| format!("\"k{key}\":1,")).collect::<String>()),
        format!("\"{}\"", "\\\"".repeat(30_000)),
        format!("{}1{}", r#"{"a":"#.repeat(126), "}".repeat(126)),
    ] {
        let route = Pattern::route_of(&hostile);
        assert!(route.is_none_or(|route| route.len() <= 2 * hostile.len()), "{:.40}", hostile);
    }
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
}
