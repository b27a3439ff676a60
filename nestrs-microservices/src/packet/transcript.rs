//! What a NestJS client and a NestJS server really said to each other, read and written again to the byte.

use bytes::BytesMut;

use super::*;
use crate::net::codec::NestDecoder;

/// `tests/interop/transcript.txt`: the frames of one side, `>` the client's and `<` the server's.
fn said_by(side: &str) -> Vec<String> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/interop/transcript.txt");
    let text = std::fs::read_to_string(path).expect("the transcript is part of the repository");
    let frames: Vec<_> = text.lines().filter_map(|line| line.strip_prefix(side)).map(str::to_owned).collect();
    assert!(frames.len() > 20, "{} frames of {side}", frames.len());
    frames
}

/// All that `chunks` bring, without lengths.
fn bodies<'a>(chunks: impl IntoIterator<Item = &'a [u8]>) -> Vec<Bytes> {
    let mut decoder = NestDecoder::new(64 * 1024);
    let mut buffer = BytesMut::new();
    let mut bodies = Vec::new();
    for chunk in chunks {
        buffer.extend_from_slice(chunk);
        while let Some(body) = decoder.decode(&mut buffer).expect("NestJS makes no mistakes") {
            bodies.push(body);
        }
    }
    bodies
}

fn body(frame: &str) -> Bytes {
    let [body] = &bodies([frame.as_bytes()])[..] else { panic!("{frame} is one frame") };
    body.clone()
}

#[test]
fn fr_1_recorded_frames_are_told_apart_wherever_they_are_cut() {
    for side in ["> ", "< "] {
        let frames = said_by(side);
        let expected: Vec<_> = frames.iter().map(|frame| frame.split_once('#').unwrap().1).collect();
        let bytes = frames.concat().into_bytes();
        assert_eq!(bodies([&*bytes]), expected);
        assert_eq!(bodies(bytes.chunks(1)), expected, "byte by byte");
        for cut in 0..bytes.len() {
            let (one, two) = bytes.split_at(cut);
            assert_eq!(bodies([one, two]), expected, "cut at {cut}");
        }
    }
}

#[test]
fn fr_16_recorded_requests_and_events_are_read_and_written_again() {
    for frame in said_by("> ") {
        assert!(usual::members(&body(&frame)).is_some(), "NestJS writes what is usual: {frame}");
        let packet = Packet::read(&body(&frame)).unwrap();
        let text = |bytes: &Bytes| String::from_utf8(bytes.to_vec()).unwrap();
        let metadata = packet.metadata.map(|all| {
            let members: Vec<_> = all.iter().map(|(key, value)| format!("{key:?}:{value:?}")).collect();
            format!("{{{}}}", members.join(","))
        });
        let id = packet.id.as_ref().map(text);
        let mut written = Vec::new();
        write_request(
            &mut written,
            &text(&packet.pattern.unwrap()),
            &packet.payload.json(),
            metadata.as_deref().map(str::as_bytes),
            id.as_deref().map(|id| id.trim_matches('"').as_bytes()),
        );
        assert_eq!(String::from_utf8(written).unwrap(), frame);
    }
}

#[test]
fn fr_16_recorded_responses_are_read_and_written_again() {
    for frame in said_by("< ") {
        let body = body(&frame);
        let response = Response::read(&body).unwrap();
        let answer = match response.event {
            ResponseEvent::Value { payload, last } => Answer::Value { payload, last },
            ResponseEvent::End => Answer::End,
            ResponseEvent::Error(err) if err == NO_HANDLER => Answer::NoHandler,
            ResponseEvent::Error(err) => Answer::Error(match err["status"].as_str() {
                Some("error") => TransportError::new(err["message"].as_str().unwrap()),
                _ => TransportError::exact(err),
            }),
        };
        let mut written = Vec::new();
        answer.write_frame(&mut written, response.id.unwrap());
        assert_eq!(String::from_utf8(written).unwrap(), frame);
    }
}
