//! The packet reader, against the whole text as one JSON value.

#![no_main]

#[path = "../../nestrs-microservices/tests/properties/packets.rs"]
mod packets;

libfuzzer_sys::fuzz_target!(|input: &str| packets::check(input));
