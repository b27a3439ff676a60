//! `redis://user:password@host:port/database`, read and shown.

use std::io;

use crate::net::Secret;

/// Redis's port, and NestJS's.
pub(super) const PORT: u16 = 6379;

/// Where a Redis server is, and as whom it is talked to. Secrets are in no `Debug` of it.
#[derive(Clone, Debug)]
pub(super) struct Target {
    pub(super) secure: bool,
    pub(super) username: Option<String>,
    pub(super) password: Option<Secret>,
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) database: u32,
}

impl Target {
    /// Reads `host`, `host:port` or a URL; the parts that are not there are `localhost`, 6379, nobody and 0.
    ///
    /// # Errors
    /// Why it is none of these, without a word of what may be a secret.
    pub(super) fn parse(address: &str) -> Result<Self, &'static str> {
        let (secure, rest) = match address.split_once("://") {
            Some(("redis", rest)) => (false, rest),
            Some(("rediss", rest)) => (true, rest),
            Some(_) => return Err("a URL of Redis begins with `redis://`, or with `rediss://` for TLS"),
            None => (false, address),
        };
        if rest.contains(['?', '#']) {
            return Err("options in a URL are not read; set them by the methods of the options");
        }
        let (user, rest) = rest.rsplit_once('@').map_or((None, rest), |(user, rest)| (Some(user), rest));
        let (place, path) = rest.split_once('/').unwrap_or((rest, ""));
        let database = match path.trim_end_matches('/') {
            "" => 0,
            path => path.parse().map_err(|_| "what follows the `/` is no number of a database")?,
        };
        let (host, port) = split(place)?;
        let (username, password) = match user {
            None => (None, None),
            Some(user) => {
                user.split_once(':').map_or((Some(user), None), |(name, password)| (Some(name), Some(password)))
            }
        };
        let username = username.filter(|name| !name.is_empty()).map(decode).transpose()?;
        let password = password.map(decode).transpose()?.map(Secret::new);
        Ok(Self { secure, username, password, host, port, database })
    }
}

/// `host`, `host:port`, `[v6]:port`.
fn split(place: &str) -> Result<(String, u16), &'static str> {
    let no_port = "what follows the `:` is no port";
    let (host, port) = match place.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']').ok_or("there is a `[` without its `]`")?;
            (host, port.strip_prefix(':'))
        }
        // An IPv6 address alone.
        None if place.matches(':').count() > 1 => (place, None),
        None => place.split_once(':').map_or((place, None), |(host, port)| (host, Some(port))),
    };
    let port = port.map_or(Ok(PORT), |port| port.parse().map_err(|_| no_port))?;
    Ok((if host.is_empty() { "localhost" } else { host }.to_owned(), port))
}

/// `%40` is an `@`.
fn decode(text: &str) -> Result<String, &'static str> {
    const WRONG: &str = "a `%` in a URL stands before two hexadecimal digits";
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digit = |byte: Option<u8>| byte.and_then(|byte| char::from(byte).to_digit(16)).ok_or(WRONG);
            let (high, low) = (digit(rest.next())?, digit(rest.next())?);
            bytes.push((high * 16 + low) as u8);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).map_err(|_| "a name or a password in a URL is UTF-8")
}

pub(super) fn join(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

pub(super) fn wrong(reason: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, reason.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read() {
        let check =
            |address: &str, host: &str, port: u16, database: u32, user: Option<&str>, password: Option<&str>| {
                let target = Target::parse(address).unwrap();
                assert_eq!((target.host.as_str(), target.port, target.database), (host, port, database), "{address}");
                let secret = target.password.as_ref().map(Secret::expose);
                assert_eq!((target.username.as_deref(), secret), (user, password), "{address}");
                assert_eq!(target.secure, address.starts_with("rediss:"), "{address}");
            };
        check("localhost", "localhost", 6379, 0, None, None);
        check("127.0.0.1:7000", "127.0.0.1", 7000, 0, None, None);
        check("redis://cache", "cache", 6379, 0, None, None);
        check("redis://:pw@cache:1/2", "cache", 1, 2, None, Some("pw"));
        check("rediss://ali@cache/", "cache", 6379, 0, Some("ali"), None);
        check("redis://ali:p%40w%2f@[::1]:80/15", "::1", 80, 15, Some("ali"), Some("p@w/"));
        check("::1", "::1", 6379, 0, None, None);
        check("redis://ali:p@w@cache", "cache", 6379, 0, Some("ali"), Some("p@w"));
        check("redis://", "localhost", 6379, 0, None, None);
    }

    #[test]
    fn what_is_no_address_is_refused_without_being_shown() {
        for (address, why) in [
            ("http://ali:canary@cache", "begins with"),
            ("redis://ali:canary@cache:99999", "no port"),
            ("redis://ali:canary@cache/canary", "no number"),
            ("redis://ali:canary%4@cache", "hexadecimal"),
            ("redis://ali:%ff@cache", "UTF-8"),
            ("redis://[::1:80", "without its"),
            ("redis://cache/0?protocol=resp3", "not read"),
        ] {
            let reason = Target::parse(address).unwrap_err();
            assert!(reason.contains(why) && !reason.contains("canary"), "{address}: {reason}");
        }
    }

    #[test]
    fn se_5_a_password_is_in_no_debug_text() {
        let target = Target::parse("redis://ali:canary@cache").unwrap();
        assert!(!format!("{target:?}").contains("canary"));
    }
}
