use proptest::prelude::*;

use super::*;

const MAX: usize = 64 * 1024;

fn frame(body: &str) -> Vec<u8> {
    let mut out = Vec::new();
    write_frame_header(&mut out, body.encode_utf16().count());
    out.extend_from_slice(body.as_bytes());
    out
}

/// Feeds `chunks` one after another and collects what comes out, up to the first error.
fn decode_all<'a>(chunks: impl IntoIterator<Item = &'a [u8]>) -> (Vec<String>, Option<FrameError>) {
    let mut decoder = NestDecoder::new(MAX);
    let mut buffer = BytesMut::new();
    let mut bodies = Vec::new();
    for chunk in chunks {
        buffer.extend_from_slice(chunk);
        loop {
            match decoder.decode(&mut buffer) {
                Ok(Some(body)) => bodies.push(String::from_utf8(body.to_vec()).unwrap()),
                Ok(None) => break,
                Err(error) => return (bodies, Some(error)),
            }
        }
    }
    (bodies, None)
}

fn check_fault(bytes: &[u8], error: FrameError) {
    assert_eq!(decode_all([bytes]).1, Some(error.clone()), "whole");
    assert_eq!(decode_all(bytes.chunks(1)).1, Some(error), "byte by byte");
}

#[test]
fn fr_1_the_length_counts_utf_16_units_wherever_the_body_is_cut() {
    let bodies = [r#""😀""#, r#""é漢😀""#, "{}", r#"{"pattern":"echo","data":"é漢😀","id":"1"}"#];
    assert_eq!(frame(bodies[0])[..2], *b"4#");
    let bytes: Vec<u8> = bodies.iter().flat_map(|body| frame(body)).collect();
    for cut in 0..bytes.len() {
        let (one, two) = bytes.split_at(cut);
        assert_eq!(decode_all([one, two]), (bodies.map(str::to_owned).to_vec(), None), "cut at {cut}");
    }
    assert_eq!(decode_all(bytes.chunks(1)).0, bodies);
}

#[test]
fn fr_1_a_length_that_ends_inside_a_character_is_a_fault() {
    check_fault("2#\"😀\"".as_bytes(), FrameError::InsideCharacter);
}

#[test]
fn fr_2_a_header_is_white_space_digits_and_a_hash() {
    for good in ["2#{}", " 2#{}", "\r\n2#{}", "0000000002#{}", "     0000000002#{}"] {
        assert_eq!(decode_all([good.as_bytes()]), (vec!["{}".to_owned()], None), "{good:?}");
        assert_eq!(decode_all(good.as_bytes().chunks(1)).0, ["{}"], "{good:?}");
    }
    for bad in
        ["#{}", "abc#", "-1#", "+2#{}", "2.0#", "2a#", "00000000002#", "      0000000002#{}", "                 "]
    {
        check_fault(bad.as_bytes(), FrameError::Header);
    }
    check_fault("\u{feff}2#{}".as_bytes(), FrameError::Header);
    check_fault(b"GET / HTTP/1.1\r\n", FrameError::Header);
    check_fault(&[0x16, 0x03, 0x01], FrameError::Header);
}

#[test]
fn fr_3_a_length_above_the_limit_is_a_fault_before_any_body() {
    check_fault(b"65537#", FrameError::TooLarge { announced: 65537, max: MAX });
    check_fault(b"9999999999#", FrameError::TooLarge { announced: 9_999_999_999, max: MAX });
    // Within the limit in units, above it in bytes.
    let wide = format!("30000#\"{}\"", "漢".repeat(29_998));
    check_fault(wide.as_bytes(), FrameError::TooLarge { announced: 30_000, max: MAX });
}

#[test]
fn fr_4_an_announced_length_allocates_nothing() {
    let mut decoder = NestDecoder::new(usize::MAX);
    let mut buffer = BytesMut::from("9999999999#x");
    assert_eq!(decoder.decode(&mut buffer), Ok(None));
    assert!(buffer.capacity() < 64);
}

#[test]
fn fr_5_a_body_that_is_no_utf_8_is_a_fault() {
    check_fault(b"4#\"\xff\xfe\"", FrameError::Utf8);
    // Continuation bytes count nothing, so only the bound on bytes ends this.
    check_fault(&[b"2#".as_slice(), &[0x80; 64]].concat(), FrameError::Utf8);
}

/// The first wrong byte says what is wrong. Counted in one go these would be another fault, or a later one.
#[test]
fn fr_3_the_fault_is_the_same_however_the_bytes_arrive() {
    // Pairs without their second half count two units each, which is more than the length has left.
    check_fault(b"2#\xf0\x7e\x80\x80\x80", FrameError::Utf8);
    // Past three bytes a unit, and in the same chunk past the limit.
    let mut long = b"21845#".to_vec();
    long.resize(long.len() + 2 * MAX, 0x80);
    check_fault(&long, FrameError::Utf8);
    // The last character passes the limit before it is whole.
    let wide = [b"21846#".as_slice(), "\u{6f22}".repeat(21_845).as_bytes(), b"\xe6\xbc"].concat();
    check_fault(&wide, FrameError::TooLarge { announced: 21_846, max: MAX });
}

#[test]
fn fr_10_a_million_frames_in_one_read_use_constant_stack() {
    let mut decoder = NestDecoder::new(MAX);
    let mut buffer = BytesMut::from("2#{}".repeat(1_000_000).as_str());
    let mut count = 0;
    while decoder.decode(&mut buffer).unwrap().is_some() {
        count += 1;
    }
    assert_eq!(count, 1_000_000);
}

thread_local! {
    static LOOKED_AT: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

/// Called by the decoder for the bytes of bodies that it looks at.
pub(super) fn looked_at(bytes: usize) {
    LOOKED_AT.set(LOOKED_AT.get() + bytes);
}

/// Times differ from run to run; this does not.
#[test]
fn fr_11_no_byte_of_a_body_is_looked_at_more_than_three_times_however_it_is_cut() {
    for text in ["x", "é", "漢", "😀", "é漢😀x", "xxxxxxx😀", "漢漢漢x"] {
        for times in [20, 333, 10_000] {
            let (body, mut looks) = (text.repeat(times), Vec::new());
            let bytes = frame(&body);
            for cut in [bytes.len(), 1, 2, 3, 1000] {
                LOOKED_AT.set(0);
                let (mut decoder, mut buffer, mut frames) = (NestDecoder::new(usize::MAX), BytesMut::new(), 0);
                for chunk in bytes.chunks(cut) {
                    buffer.extend_from_slice(chunk);
                    frames += usize::from(decoder.decode(&mut buffer).unwrap().is_some());
                }
                assert_eq!(frames, 1);
                looks.push(LOOKED_AT.get());
            }
            assert!(
                looks.iter().all(|looks| *looks <= 3 * body.len()),
                "{looks:?} at {} bytes of {text:?}",
                body.len()
            );
        }
    }
}

/// A quadratic decoder takes 16 times as long for four times the bytes.
#[test]
fn fr_11_the_work_for_a_frame_is_linear_however_it_is_cut() {
    let measure = |len: usize| {
        let body = "漢x".repeat(len / 4);
        let bytes = frame(&body);
        let run = || {
            let started = std::time::Instant::now();
            let (mut decoder, mut buffer) = (NestDecoder::new(usize::MAX), BytesMut::new());
            let mut frames = 0;
            for (received, byte) in bytes.iter().enumerate() {
                buffer.extend_from_slice(&[*byte]);
                frames += usize::from(decoder.decode(&mut buffer).unwrap().is_some());
                assert!(buffer.capacity() <= 2 * received + 64 * 1024);
            }
            assert_eq!(frames, 1);
            started.elapsed()
        };
        (0..3).map(|_| run()).min().unwrap()
    };
    let (one, four) = (measure(256 * 1024), measure(1024 * 1024));
    assert!(four < one * 10, "{one:?} for 256 KiB, {four:?} for 1 MiB");
}

#[test]
fn white_space_between_frames_does_not_count_as_a_frame() {
    let mut decoder = NestDecoder::new(MAX);
    let mut buffer = BytesMut::from("2#{}\r\n");
    assert!(decoder.decode(&mut buffer).unwrap().is_some());
    assert!(!decoder.is_inside_frame(&buffer));
    buffer.extend_from_slice(b"1");
    assert!(decoder.is_inside_frame(&buffer));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn decoding_undoes_encoding_however_the_bytes_arrive(
        bodies in prop::collection::vec("\\PC{1,40}", 1..6),
        cuts in prop::collection::vec(1_usize..9, 1..40),
    ) {
        let bytes: Vec<u8> = bodies.iter().flat_map(|body| frame(body)).collect();
        let mut rest = bytes.as_slice();
        let mut chunks = Vec::new();
        for cut in cuts.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (chunk, after) = rest.split_at((*cut).min(rest.len()));
            chunks.push(chunk);
            rest = after;
        }
        prop_assert_eq!(decode_all(chunks), (bodies, None));
    }

    #[test]
    fn any_bytes_decode_the_same_whole_and_in_pieces(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert_eq!(decode_all([bytes.as_slice()]), decode_all(bytes.chunks(1)));
    }

    #[test]
    fn the_length_is_javascripts(text in "\\PC{0,100}") {
        prop_assert_eq!(utf16_len(text.as_bytes()), text.encode_utf16().count());
    }
}

/// Bytes that begin no character make a body that never ends; it is refused when it is longer than any text could be.
#[test]
fn fr_5_a_body_of_bytes_that_begin_nothing_is_refused_in_time() {
    let mut decoder = NestDecoder::new(100_000);
    let mut buffer = BytesMut::from(&b"69#"[..]);
    assert_eq!(decoder.decode(&mut buffer), Ok(None));
    let body = [vec![b'x'; 12], vec![0x91; 195]].concat();
    for byte in body {
        buffer.extend_from_slice(&[byte]);
        assert_eq!(decoder.decode(&mut buffer), Ok(None));
    }
    buffer.extend_from_slice(&[0x91]);
    assert_eq!(decoder.decode(&mut buffer), Err(FrameError::Utf8));
}

/// On both sides of the length from which std is asked.
#[test]
fn fr_1_one_byte_that_is_not_ascii_is_seen_wherever_it_stands() {
    for len in (0..40).chain([SHORT_MAX, SHORT_MAX + 1]) {
        let mut text = vec![0x7f; len];
        assert!(is_ascii(&text), "{len}");
        for at in (0..len).filter(|at| len < 40 || at % 97 == 0 || at + 9 > len) {
            text[at] = 0x80;
            assert!(!is_ascii(&text), "{at} of {len}");
            text[at] = 0x7f;
        }
    }
}

#[test]
fn fr_1_every_length_is_written_in_digits() {
    for units in (0..12_345).chain([99_999, 100_000, u32::MAX as usize, usize::MAX]) {
        let mut out = Vec::new();
        write_frame_header(&mut out, units);
        assert_eq!(out, format!("{units}#").into_bytes());
    }
}
