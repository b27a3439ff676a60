//! The pattern normaliser: bounded and idempotent; and wildcards, which must not panic.

#![no_main]

use nestrs_core::{Pattern, Wildcard, WildcardStyle};

#[path = "../../nestrs-microservices/tests/properties/patterns.rs"]
mod patterns;

libfuzzer_sys::fuzz_target!(|input: &str| {
    patterns::check(input);
    let Some((pattern, subject)) = input.split_once('\n') else { return };
    for style in [WildcardStyle::Nats, WildcardStyle::Redis, WildcardStyle::Mqtt, WildcardStyle::Rmq] {
        if let Some(wildcard) = Wildcard::new(&Pattern::from(pattern), style) {
            let _ = wildcard.matches(subject);
        }
    }
});
