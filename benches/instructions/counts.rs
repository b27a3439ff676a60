//! The counts, by valgrind: instructions by callgrind, allocations by DHAT. `cargo xtask counts` runs them and compares
//! them with `limits.toml`.

#![expect(missing_docs, reason = "what gungraun's macros make of these functions")]

use bytes::Bytes;
use gungraun::prelude::*;
use gungraun::{Callgrind, Dhat};
use nestrs_core::Payload;
use nestrs_instructions::client::Client;
use nestrs_instructions::parts::{Calls, Frames, Routes, read_packets, write_replies};
use nestrs_instructions::server::Server;
use nestrs_instructions::{IN_FLIGHT, LONG_OPERATIONS, OPERATIONS, wire};
use nestrs_microservices::Answer;

const LONG: usize = 64 * 1024;

#[library_benchmark]
#[bench::small(Frames::new(wire::SUM, 1, OPERATIONS))]
#[bench::at_16(Frames::new(wire::SUM, IN_FLIGHT, OPERATIONS / IN_FLIGHT))]
#[bench::long(Frames::new(&wire::echo(LONG), 1, LONG_OPERATIONS))]
fn frame(frames: Frames) -> usize {
    frames.decode()
}

#[library_benchmark]
#[bench::small(Bytes::from_static(wire::SUM.as_bytes()), OPERATIONS)]
#[bench::by_name(Bytes::from_static(wire::SUM_BY_NAME.as_bytes()), OPERATIONS)]
#[bench::with_deadline(Bytes::from_static(wire::SUM_WITH_DEADLINE.as_bytes()), OPERATIONS)]
#[bench::long(Bytes::from(wire::echo(LONG)), LONG_OPERATIONS)]
fn packet(body: Bytes, times: usize) -> Bytes {
    read_packets(&body, times);
    body
}

#[library_benchmark]
#[bench::of_10(Routes::new(10))]
#[bench::of_10_000(Routes::new(10_000))]
fn route(routes: Routes) -> Routes {
    routes.look_up(OPERATIONS);
    routes
}

#[library_benchmark]
#[bench::bare(Calls::of(r#"{"cmd":"sum"}"#))]
#[bench::stages(Calls::of(r#"{"cmd":"guarded"}"#))]
fn dispatch(calls: Calls) -> Calls {
    calls.dispatch(OPERATIONS);
    calls
}

/// So many bytes of JSON text.
fn text(len: usize) -> Payload {
    Payload::from_json(format!("\"{}\"", "t".repeat(len)))
}

#[library_benchmark]
#[bench::small(Payload::from_json("15"), OPERATIONS)]
#[bench::text(text(1000), OPERATIONS)]
#[bench::long(text(LONG), LONG_OPERATIONS)]
fn reply(payload: Payload, times: usize) -> Answer {
    let answer = Answer::Value { payload, last: true };
    write_replies(&answer, times);
    answer
}

#[library_benchmark]
#[bench::bare(Server::start(wire::SUM, wire::SUM_REPLY, IN_FLIGHT))]
#[bench::stages(Server::start(wire::GUARDED_SUM, wire::SUM_REPLY, IN_FLIGHT))]
#[bench::by_name(Server::start(wire::SUM_BY_NAME, wire::SUM_REPLY, IN_FLIGHT))]
#[bench::with_deadline(Server::start(wire::SUM_WITH_DEADLINE, wire::SUM_REPLY, IN_FLIGHT))]
fn request_at_16(server: Server) -> Server {
    server.serve(OPERATIONS / IN_FLIGHT);
    server
}

#[library_benchmark]
#[bench::bare(Server::start(wire::SUM, wire::SUM_REPLY, 1), OPERATIONS)]
#[bench::stages(Server::start(wire::GUARDED_SUM, wire::SUM_REPLY, 1), OPERATIONS)]
#[bench::long(Server::start(&wire::echo(LONG), &wire::echo_reply(LONG), 1), LONG_OPERATIONS)]
fn request_at_1(server: Server, times: usize) -> Server {
    server.serve(times);
    server
}

#[library_benchmark]
#[bench::bare(Client::start())]
fn call_at_16(client: Client) -> Client {
    client.call(OPERATIONS / IN_FLIGHT);
    client
}

#[library_benchmark]
#[bench::bare(Server::streaming(OPERATIONS))]
fn item_sent(server: Server) -> Server {
    server.serve(1);
    server
}

#[library_benchmark]
#[bench::bare(Client::streaming())]
fn item_taken(client: Client) -> Client {
    client.take(OPERATIONS);
    client
}

library_benchmark_group!(name = parts, benchmarks = [frame, packet, route, dispatch, reply]);
library_benchmark_group!(name = whole, benchmarks = [request_at_16, request_at_1, call_at_16, item_sent, item_taken]);

main!(
    config = LibraryBenchmarkConfig::default()
        // Neither caches nor cycles: they are guesses about a processor that nobody has.
        .tool(Callgrind::with_args(["--cache-sim=no"]))
        .tool(Dhat::default())
        // An allocation belongs to the benchmark when its function is on the stack, which is deeper than valgrind looks
        // by itself.
        .valgrind_args(["--num-callers=200"]),
    library_benchmark_groups = [parts, whole]
);
