//! `host:port`, read and written.

use std::borrow::Cow;
use std::io;

/// Where servers listen unless told otherwise: `NESTRS_HOST`, or this machine only.
#[must_use]
pub fn default_host() -> String {
    std::env::var("NESTRS_HOST").ok().filter(|host| !host.is_empty()).unwrap_or_else(|| "127.0.0.1".to_owned())
}

/// `host:port`, `[v6]:port` or a host alone, which gets NestJS's port. What is none of these is kept as the host, for
/// [`check_host`] to refuse where an error can be returned.
pub(super) fn split_address(address: &str) -> (String, u16) {
    const PORT: u16 = 3000;
    let bare = |host: &str| host.trim_start_matches('[').trim_end_matches(']').to_owned();
    match address.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') || (host.starts_with('[') && host.ends_with(']')) => {
            match port.parse() {
                Ok(port) => (bare(host), port),
                Err(_) => (address.to_owned(), PORT),
            }
        }
        _ => (bare(address), PORT),
    }
}

/// Says what is wrong with an address, before the resolver says something less to the point.
pub(super) fn check_host(host: &str) -> io::Result<()> {
    let wrong = |why: String| Err(io::Error::new(io::ErrorKind::InvalidInput, why));
    if host.is_empty() {
        return wrong("there is no host; write `127.0.0.1:PORT`, or `0.0.0.0:PORT` for all networks".to_owned());
    }
    let shown = without_user(host);
    if host.contains("://") {
        return wrong(format!("`{shown}` is a URL; write `HOST:PORT`"));
    }
    if shown != host {
        return wrong(format!("`{shown}` names a user; write `HOST:PORT`, and see `credentials`"));
    }
    if host.bytes().all(|byte| byte.is_ascii_digit()) {
        return wrong(format!("`{host}` is no host; for a port write `127.0.0.1:{host}`"));
    }
    match host.rsplit_once(':') {
        Some((name, port)) if host.parse::<std::net::Ipv6Addr>().is_err() => {
            wrong(format!("`{port}` is no port, in `{name}:{port}`"))
        }
        _ => Ok(()),
    }
}

/// A host as it may be shown: what stands before an `@` is a name and a password of somebody's.
pub(super) fn without_user(host: &str) -> Cow<'_, str> {
    match (host.rsplit_once('@'), host.split_once("://")) {
        (Some((_, rest)), Some((scheme, _))) => format!("{scheme}://…@{rest}").into(),
        (Some((_, rest)), None) => format!("…@{rest}").into(),
        (None, _) => host.into(),
    }
}

pub(super) fn join_address(host: &str, port: u16) -> String {
    let host = &*without_user(host);
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

#[cfg(test)]
mod tests {
    use super::super::{TcpMicroserviceOptions, TcpTransportOptions};
    use super::*;

    #[test]
    fn addresses_are_read_and_written() {
        let check = |address: &str, host: &str, port: u16| {
            assert_eq!(split_address(address), (host.to_owned(), port), "{address}");
        };
        check("127.0.0.1:3001", "127.0.0.1", 3001);
        check("localhost", "localhost", 3000);
        check("[::1]:80", "::1", 80);
        check("::1", "::1", 3000);
        assert_eq!(TcpMicroserviceOptions::bind("[::1]:80").address(), "[::1]:80");
        assert_eq!(TcpTransportOptions::default().address(), "127.0.0.1:3000");
    }

    #[test]
    fn what_is_no_address_is_refused_with_the_reason() {
        let refused = |address: &str| {
            let error = TcpMicroserviceOptions::bind(address).check_address().unwrap_err().to_string();
            assert_eq!(TcpTransportOptions::to(address).check_address().unwrap_err().to_string(), error);
            error
        };
        assert_eq!(refused("localhost:99999"), "`99999` is no port, in `localhost:99999`");
        assert_eq!(refused("3001"), "`3001` is no host; for a port write `127.0.0.1:3001`");
        assert!(refused(":3001").starts_with("there is no host"));
        assert_eq!(refused("tcp://127.0.0.1:3001"), "`tcp://127.0.0.1:3001` is a URL; write `HOST:PORT`");
        // Of a user, nothing is shown.
        for (secret, shown) in [
            ("tcp://ali:canary@localhost:3001", "`tcp://…@localhost:3001` is a URL; write `HOST:PORT`"),
            ("ali:canary@localhost:3001", "`…@localhost:3001` names a user; write `HOST:PORT`, and see `credentials`"),
            ("canary@localhost", "`…@localhost` names a user; write `HOST:PORT`, and see `credentials`"),
        ] {
            assert_eq!(refused(secret), shown);
            let options = (TcpMicroserviceOptions::bind(secret), TcpTransportOptions::to(secret));
            let said = format!("{options:?} {} {}", options.0.address(), options.1.address());
            assert!(!said.contains("canary"), "{said}");
        }
        for good in ["::1", "[::1]:80", "localhost", "127.0.0.1:1"] {
            assert!(TcpMicroserviceOptions::bind(good).check_address().is_ok(), "{good}");
        }
    }
}
