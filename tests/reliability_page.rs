//! What `docs/reliability.md` says of options is what the options are.

use std::collections::BTreeMap;
use std::time::Duration;

use nestrs::microservices::{
    JetStreamOptions, NatsMicroserviceOptions, Overflow, TcpMicroserviceOptions, TcpTransportOptions,
};

const PAGE: &str = include_str!("../docs/reliability.md");

/// A default, as the page writes it.
trait Written {
    fn written(&self) -> String;
}

impl Written for bool {
    fn written(&self) -> String {
        if *self { "yes" } else { "no" }.to_owned()
    }
}

impl Written for usize {
    fn written(&self) -> String {
        thousands(*self)
    }
}

/// A number of bytes.
struct Bytes(usize);

impl Written for Bytes {
    fn written(&self) -> String {
        const KIB: usize = 1024;
        if self.0 < KIB * KIB { format!("{} KiB", self.0 / KIB) } else { format!("{} MiB", self.0 / KIB / KIB) }
    }
}

impl Written for u32 {
    fn written(&self) -> String {
        self.to_string()
    }
}

impl Written for Duration {
    fn written(&self) -> String {
        format!("{} s", self.as_secs_f64())
    }
}

impl Written for Vec<Duration> {
    fn written(&self) -> String {
        self.iter().map(Written::written).collect::<Vec<_>>().join(", ")
    }
}

impl<T: Written> Written for Option<T> {
    fn written(&self) -> String {
        self.as_ref().map_or("off".to_owned(), T::written)
    }
}

/// A number of connections in a time.
impl Written for (u32, Duration) {
    fn written(&self) -> String {
        format!("{} in {}", self.0, self.1.written())
    }
}

impl Written for Overflow {
    fn written(&self) -> String {
        format!("{self:?}").to_lowercase()
    }
}

fn thousands(number: usize) -> String {
    if number < 1000 { number.to_string() } else { format!("{} {:03}", thousands(number / 1000), number % 1000) }
}

/// `(name, default)` of each of these fields; a field that goes or is renamed does not compile here.
macro_rules! defaults {
    ($options:expr; bytes: $($bytes:ident),*; others: $($($other:ident).+),+ $(,)?) => {{
        let options = $options;
        BTreeMap::from([
            $((stringify!($bytes).to_owned(), Bytes(options.$bytes).written()),)*
            $((stringify!($($other).+).replace(' ', ""), options.$($other).+.written()),)+
        ])
    }};
}

/// `(name, default)` of each row of the table that follows the first mention of `options`.
fn rows(options: &str) -> BTreeMap<String, String> {
    let after = PAGE.split_once(&format!("`{options}`")).expect("the page names the options").1;
    let table = after.lines().skip_while(|line| !line.starts_with('|')).take_while(|line| line.starts_with('|'));
    let cells = table.skip(2).map(|row| row.split('|').map(str::trim).collect::<Vec<_>>());
    cells.map(|cells| (cells[1].trim_matches('`').to_owned(), cells[2].to_owned())).collect()
}

#[test]
fn each_option_of_a_server_has_the_default_that_the_page_gives() {
    let defaults = defaults!(
        TcpMicroserviceOptions::default();
        bytes: max_frame_bytes, max_frame_bytes_unauthenticated, recv_budget_bytes, send_budget_bytes, min_frame_rate,
            send_queue_high, send_queue_max;
        others: frame_idle_timeout, handshake_timeout, max_connections, max_connections_per_ip, connect_rate_per_ip,
            max_in_flight_per_conn, max_in_flight, overflow, write_stall_timeout, keepalive.idle, keepalive.interval,
            keepalive.probes, keepalive.user_timeout, idle_timeout, handler_timeout, grace_period,
    );
    assert_eq!(rows("TcpMicroserviceOptions"), defaults);
}

#[test]
fn each_option_of_a_client_has_the_default_that_the_page_gives() {
    let defaults = defaults!(
        TcpTransportOptions::default();
        bytes: pending_bytes, max_frame_bytes, min_frame_rate;
        others: request_timeout, connect_timeout, connect_wait, backoff.min, backoff.max, max_pending, overflow,
            frame_idle_timeout, stream_buffer, keepalive.idle, keepalive.interval, keepalive.probes, keepalive.user_timeout,
    );
    assert_eq!(rows("TcpTransportOptions"), defaults);
}

#[cfg(feature = "microservices-redis")]
#[test]
fn each_option_of_redis_has_the_default_that_the_page_gives() {
    let server = defaults!(
        nestrs::microservices::RedisMicroserviceOptions::default();
        bytes: queue_bytes, max_message_bytes;
        others: prefetch, queue, startup_timeout, wait_forever, connect_timeout, ping_interval, backoff.max,
    );
    assert_eq!(rows("RedisMicroserviceOptions"), server);
    let client = defaults!(
        nestrs::microservices::RedisTransportOptions::default();
        bytes: max_message_bytes;
        others: stream_max_len, reply_channels, fail_unheard, ping_interval, backoff.max,
    );
    assert_eq!(rows("RedisTransportOptions"), client);
    let streams = defaults!(
        nestrs::microservices::RedisStreamsOptions::default();
        bytes: ;
        others: max_deliveries, claim_after, dead_max_len,
    );
    assert_eq!(rows("RedisStreamsOptions"), streams);
}

#[test]
fn each_option_of_a_server_over_nats_has_the_default_that_the_page_gives() {
    let defaults = defaults!(
        NatsMicroserviceOptions::default();
        bytes: max_body_bytes;
        others: startup_timeout, ping_interval, prefetch, subscription_capacity,
    );
    assert_eq!(rows("NatsMicroserviceOptions"), defaults);
    let kept = defaults!(
        JetStreamOptions::stream("ORDERS");
        bytes: max_bytes;
        others: max_deliveries, retry_delays, ack_wait, max_ack_pending, max_age,
    );
    assert_eq!(rows("JetStreamOptions"), kept);
}

/// An option that the promises speak of is in one of the tables.
#[test]
fn each_option_that_a_promise_names_is_in_a_table() {
    let known: Vec<String> = [
        "TcpMicroserviceOptions",
        "TcpTransportOptions",
        "NatsMicroserviceOptions",
        "JetStreamOptions",
        "RedisMicroserviceOptions",
        "RedisTransportOptions",
        "RedisStreamsOptions",
    ]
    .map(rows)
    .into_iter()
    .flatten()
    .map(|(name, _)| name)
    .collect();
    let promises = PAGE.split_once("## 2.").unwrap().1;
    let named = promises.split('`').skip(1).step_by(2).filter(|code| {
        let word = code.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_') && code.contains('_');
        word && !["spawn_blocking", "enable_shutdown_hooks"].contains(code)
    });
    let named: Vec<&str> = named.collect();
    assert!(named.len() > 10, "{named:?}");
    for option in named {
        assert!(known.iter().any(|known| known == option), "`{option}` is no option of the page");
    }
}
