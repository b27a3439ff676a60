//! A server that answers wrongly must end the run: what is fast and wrong is not fast.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use super::{Load, Manner, drive, exactly};
use crate::proc::Proc;
use crate::wire::body;
use crate::work::Work;

const ID_LEN: usize = 21;
const LENGTH: Duration = Duration::from_millis(50);

/// A server that makes the body of its answer from the text of the request's payload and its id; it closes where there is none.
fn server(answer: fn(&str, &str) -> Option<String>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            thread::spawn(move || {
                let (mut received, mut piece) = (Vec::new(), [0; 64 * 1024]);
                while let Ok(len @ 1..) = stream.read(&mut piece) {
                    received.extend_from_slice(&piece[..len]);
                    while let Ok(Some((begin, end))) = body(&received) {
                        let request = String::from_utf8(received[begin..end].to_vec()).unwrap();
                        received.drain(..end);
                        // An event has no id.
                        let Some((rest, id)) = request.split_once(r#","id":""#) else { continue };
                        let data = rest.split_once(r#""data":"#).unwrap().1;
                        let Some(reply) = answer(data, &id[..ID_LEN]) else { return };
                        if stream.write_all(format!("{}#{reply}", reply.len()).as_bytes()).is_err() {
                            return;
                        }
                    }
                }
            });
        }
    });
    address
}

fn reply(value: impl std::fmt::Display, id: &str) -> Option<String> {
    Some(format!(r#"{{"response":{value},"isDisposed":true,"id":"{id}"}}"#))
}

fn sum(data: &str) -> u64 {
    data.trim_matches(['[', ']']).split(',').map(|number| number.parse::<u64>().unwrap()).sum()
}

fn outcome(work: Work, answer: fn(&str, &str) -> Option<String>) -> Result<u64, String> {
    let load = Load { connections: 2, in_flight: 4, work };
    let measured = drive(server(answer), Proc::own(), Manner::Nest, &load, LENGTH / 5, LENGTH)?;
    Ok(measured.units)
}

#[test]
fn a_server_that_answers_rightly_is_measured() {
    assert!(outcome(Work::Sum, |data, id| reply(sum(data), id)).unwrap() > 0);
    assert!(outcome(Work::echo(100), |data, id| reply(data, id)).unwrap() > 0);
}

#[test]
fn a_wrong_sum_ends_the_run() {
    let error = outcome(Work::Sum, |data, id| reply(sum(data) + 1, id)).unwrap_err();
    assert!(error.starts_with("a wrong answer: {\"response\":"), "{error}");
}

#[test]
fn a_sum_that_is_wrong_once_in_a_while_ends_the_run() {
    // The first of five numbers is a function of the id: one request in many has this one.
    let error = outcome(Work::Sum, |data, id| reply(sum(data) + u64::from(data.starts_with("[177,")), id));
    assert!(error.unwrap_err().starts_with("a wrong answer"));
}

#[test]
fn an_echo_that_differs_in_one_byte_ends_the_run() {
    let error = outcome(Work::echo(2000), |data, id| reply(data.replacen("lazy", "lazi", 1), id)).unwrap_err();
    assert!(error.starts_with("a wrong answer"), "{error}");
}

#[test]
fn an_answer_to_another_request_ends_the_run() {
    let error = outcome(Work::Sum, |data, _| reply(sum(data), "0000000000000000fffff")).unwrap_err();
    assert_eq!(error, "a reply to a request that is not under way");
    let error = outcome(Work::Sum, |data, _| reply(sum(data), "x")).unwrap_err();
    assert_eq!(error, "a reply to nobody's request");
}

#[test]
fn an_error_and_a_closed_connection_end_the_run() {
    let error = outcome(Work::Sum, |_, id| Some(format!(r#"{{"err":"no","isDisposed":true,"id":"{id}"}}"#)));
    assert_eq!(error.unwrap_err(), r#"the server answers with the error "no""#);
    let error = outcome(Work::Sum, |_, _| None).unwrap_err();
    assert_eq!(error, "the server has closed the connection");
}

#[test]
fn a_value_of_a_stream_that_is_left_out_ends_the_run() {
    let error = outcome(Work::Stream, |_, id| Some(format!(r#"{{"response":2,"id":"{id}"}}"#))).unwrap_err();
    assert!(error.starts_with("a wrong answer"), "{error}");
}

#[test]
fn events_that_are_counted_twice_end_the_run() {
    // It counts far more between two questions than was sent.
    static SEEN: AtomicU64 = AtomicU64::new(0);
    let error = outcome(Work::Events, |_, id| reply(SEEN.fetch_add(1 << 40, Ordering::Relaxed), id)).unwrap_err();
    assert!(error.contains("events were sent"), "{error}");
}

#[test]
fn a_run_of_so_many_requests_checks_them_too() {
    let load = Load { connections: 1, in_flight: 1, work: Work::Sum };
    let asked = exactly(server(|data, id| reply(sum(data), id)), Manner::Nest, &load, 20).unwrap();
    assert!(asked >= 20);
    assert!(exactly(server(|_, id| reply(0, id)), Manner::Nest, &load, 20).is_err());
}
