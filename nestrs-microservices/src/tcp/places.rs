//! Who gets a place among the connections of a server: the limits on how many there are, of all and by address.

use std::net::SocketAddr;
use std::sync::Arc;

use nestrs_core::log_limit::LogLimit;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tracing::field::display;

use crate::net::registry::{Registry, Rejection};
use crate::net::throttle::{Counted, Refused, Throttle};

use super::options::TcpMicroserviceOptions;

/// Connections beyond a limit, on an address shared with another protocol, that are looked at before they are closed: when
/// the server of messages is full, the other half still hears whoever speaks at once, such as a health check.
const DOUBTFUL_MAX: usize = 16;

/// How many connections there may be.
pub(super) struct Places {
    max_connections: usize,
    free: Arc<Semaphore>,
    throttle: Arc<Throttle>,
    doubtful: Arc<Semaphore>,
    /// Of those who get none.
    log: LogLimit,
}

/// What a connection counts for, until this is dropped.
pub(super) struct Place {
    _permit: OwnedSemaphorePermit,
    counted: Counted,
}

impl Places {
    pub(super) fn new(options: &TcpMicroserviceOptions, max_connections: usize) -> Self {
        Self {
            max_connections,
            free: Arc::new(Semaphore::new(max_connections.min(Semaphore::MAX_PERMITS))),
            throttle: Throttle::new(options.max_connections_per_ip, options.connect_rate_per_ip),
            doubtful: Arc::new(Semaphore::new(DOUBTFUL_MAX)),
            log: LogLimit::per_second(1),
        }
    }

    /// A place, or the limit that is against it.
    pub(super) fn take(&self, peer_addr: Option<SocketAddr>) -> Result<Place, Rejection> {
        // First the limit of all: whoever it is against has not begun a connection.
        let permit = Arc::clone(&self.free).try_acquire_owned().map_err(|_| Rejection::MaxConnections)?;
        let counted = self.throttle.admit(peer_addr).map_err(|refused| match refused {
            Refused::TooMany => Rejection::PerIp,
            Refused::TooOften => Rejection::Rate,
        })?;
        Ok(Place { _permit: permit, counted })
    }

    /// Room to look at a connection that gets no place, for as long as this is held.
    pub(super) fn take_doubtful(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.doubtful).try_acquire_owned().ok()
    }

    /// Counts and logs a connection that is closed for want of a place.
    pub(super) fn reject(&self, registry: &Registry, rejection: Rejection, peer_addr: Option<SocketAddr>) {
        registry.reject(rejection);
        self.log.pass(|suppressed| {
            let (peer_addr, limit, max) = (peer_addr.map(display), rejection.option(), self.max_connections);
            tracing::warn!(
                target: "nestrs::tcp",
                peer_addr,
                limit,
                max_connections = max,
                suppressed,
                "too many connections; closed"
            );
        });
    }
}

impl Place {
    /// Gives it back: the connection is not for this server, and counts for none of its limits.
    pub(super) fn forgive(self) {
        self.counted.forgive();
    }
}
