//! How many connections one address may have, and how many it may begin in a time.

use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Each of the two tables holds so many addresses at most.
const ENTRIES_MAX: usize = 65_536;

/// Whom a connection is counted for: an IPv4 address, or an IPv6 network of 64 bits, which is what one customer is given.
/// An IPv4 address written as IPv6 is itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Origin {
    V4([u8; 4]),
    V6([u8; 8]),
}

impl Origin {
    fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self::V4(address.octets()),
            IpAddr::V6(address) => {
                let [a, b, c, d, e, f, g, h, ..] = address.octets();
                Self::V6([a, b, c, d, e, f, g, h])
            }
        }
    }
}

/// Which of the two limits an address has reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    TooMany,
    TooOften,
}

/// Counts connections by address. Without limits it counts nothing.
pub(crate) struct Throttle {
    per_ip: Option<usize>,
    rate: Option<(u32, Duration)>,
    tables: Mutex<Tables>,
}

/// Hashed with a key of this process (`RandomState`): peers choose their addresses.
#[derive(Default)]
struct Tables {
    /// Connections there are. No entry is zero.
    open: HashMap<Origin, usize>,
    /// Connections begun since the first one that still counts.
    begun: HashMap<Origin, u32>,
    /// When each entry of `begun` was made: all live equally long, so the oldest is the first to expire.
    windows: VecDeque<(Instant, Origin)>,
}

/// A connection that counts until this is dropped.
pub(crate) struct Counted {
    throttle: Arc<Throttle>,
    /// Whose connections it is one of.
    origin: Option<Origin>,
    /// Whose beginnings it was one of.
    begun: Option<Origin>,
}

impl Throttle {
    /// `per_ip` at a time; `rate` so many in a time, counted from the first.
    pub(crate) fn new(per_ip: Option<usize>, rate: Option<(u32, Duration)>) -> Arc<Self> {
        Arc::new(Self { per_ip, rate, tables: Mutex::default() })
    }

    fn tables(&self) -> MutexGuard<'_, Tables> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets a connection in, or says which limit is against it. One that is refused counts for nothing; one without an
    /// address is nobody's.
    ///
    /// When 65 536 addresses have connections, those of further ones are not counted: refusing them would lower
    /// `max_connections`, which bounds them all. When as many have begun connections, the oldest are forgotten.
    pub(crate) fn admit(self: &Arc<Self>, peer_addr: Option<SocketAddr>) -> Result<Counted, Refused> {
        let mut counted = Counted { throttle: Arc::clone(self), origin: None, begun: None };
        let Some(peer_addr) = peer_addr else { return Ok(counted) };
        if self.per_ip.is_none() && self.rate.is_none() {
            return Ok(counted);
        }
        let origin = Origin::of(peer_addr.ip());
        let mut tables = self.tables();
        let open = tables.open.get(&origin).copied().unwrap_or(0);
        if self.per_ip.is_some_and(|max| open >= max) {
            return Err(Refused::TooMany);
        }
        if let Some((max, window)) = self.rate
            && !tables.begin(origin, max, window)
        {
            return Err(Refused::TooOften);
        }
        counted.begun = self.rate.map(|_| origin);
        if self.per_ip.is_some() && (open > 0 || tables.open.len() < ENTRIES_MAX) {
            tables.open.insert(origin, open + 1);
            counted.origin = Some(origin);
        }
        drop(tables);
        Ok(counted)
    }
}

impl Tables {
    /// Counts one more beginning, unless there were `max`.
    fn begin(&mut self, origin: Origin, max: u32, window: Duration) -> bool {
        let now = Instant::now();
        self.expire(now, window);
        if let Some(count) = self.begun.get_mut(&origin) {
            let allowed = *count < max;
            *count += u32::from(allowed);
            return allowed;
        }
        if max == 0 {
            return false;
        }
        if self.begun.len() >= ENTRIES_MAX
            && let Some((_, oldest)) = self.windows.pop_front()
        {
            self.begun.remove(&oldest);
        }
        self.begun.insert(origin, 1);
        self.windows.push_back((now, origin));
        true
    }

    fn expire(&mut self, now: Instant, window: Duration) {
        while let Some((since, origin)) = self.windows.front()
            && now.duration_since(*since) >= window
        {
            self.begun.remove(origin);
            self.windows.pop_front();
        }
        // What a storm has grown is given back once it is over.
        shrink(&mut self.begun);
        if self.windows.capacity() > 64 && self.windows.capacity() / 4 > self.windows.len() {
            self.windows.shrink_to(self.windows.len() * 2);
        }
    }
}

impl Counted {
    /// Takes the connection out of both counts, as if it had never begun.
    pub(crate) fn forgive(mut self) {
        let Some(origin) = self.begun.take() else { return };
        // An entry that comes to zero goes when its time is over, as every other.
        if let Some(count) = self.throttle.tables().begun.get_mut(&origin) {
            *count = count.saturating_sub(1);
        }
    }
}

fn shrink<V>(table: &mut HashMap<Origin, V>) {
    if table.capacity() > 64 && table.capacity() / 4 > table.len() {
        table.shrink_to(table.len() * 2);
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let Some(origin) = self.origin else { return };
        let mut tables = self.throttle.tables();
        match tables.open.get_mut(&origin) {
            Some(count) if *count > 1 => *count -= 1,
            _ => _ = tables.open.remove(&origin),
        }
        shrink(&mut tables.open);
        if let Some((_, window)) = self.throttle.rate {
            tables.expire(Instant::now(), window);
        }
    }
}

#[cfg(test)]
mod tests;
