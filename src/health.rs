//! Whether an application serves all that it is to serve: what the health check answers.

use std::sync::{Arc, Mutex, PoisonError};

use nestrs_microservices::Shutdown;

/// Shared by the health check and by whatever serves.
#[derive(Clone)]
pub(crate) struct Health {
    shutdown: Shutdown,
    serving: Arc<Mutex<Vec<Served>>>,
}

/// What listens, and whether it still does.
struct Served {
    transport: &'static str,
    address: String,
    is_up: bool,
}

impl Health {
    pub(crate) fn new(shutdown: Shutdown) -> Self {
        Self { shutdown, serving: Arc::default() }
    }

    /// Something serves, as long as the guard lives.
    pub(crate) fn serves(&self, transport: &'static str, address: &str) -> Serves {
        let mut serving = self.serving.lock().unwrap_or_else(PoisonError::into_inner);
        serving.push(Served { transport, address: address.to_owned(), is_up: true });
        Serves { health: self.clone(), place: serving.len() - 1 }
    }

    /// The status and the body: 200 while everything serves; 503 once the shutdown has begun, or a transport has ended by
    /// itself, which is then named.
    #[cfg(feature = "http")]
    pub(crate) fn report(&self) -> (u16, serde_json::Value) {
        use serde_json::json;
        if self.shutdown.has_begun() {
            return (503, json!({ "status": "shutting down" }));
        }
        let serving = self.serving.lock().unwrap_or_else(PoisonError::into_inner);
        if serving.iter().all(|served| served.is_up) {
            return (200, json!({ "status": "ok" }));
        }
        let transports = serving.iter().map(|Served { transport, address, is_up }| {
            let status = if *is_up { "up" } else { "down" };
            json!({ "transport": transport, "address": address, "status": status })
        });
        (503, json!({ "status": "error", "transports": transports.collect::<Vec<_>>() }))
    }
}

/// Dropped when a transport ends, well or by a panic.
pub(crate) struct Serves {
    health: Health,
    place: usize,
}

impl Drop for Serves {
    fn drop(&mut self) {
        if self.health.shutdown.has_begun() {
            return;
        }
        let mut serving = self.health.serving.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(Served { transport, address, is_up }) = serving.get_mut(self.place) {
            *is_up = false;
            tracing::error!(target: "nestrs::app", transport, address = &**address, "a transport has ended; the others go on");
        }
    }
}

#[cfg(all(test, feature = "http"))]
mod tests {
    use super::*;

    #[test]
    fn sd_1_readiness_is_false_from_the_beginning_of_the_shutdown() {
        let shutdown = Shutdown::new(std::time::Duration::from_secs(1));
        let health = Health::new(shutdown.clone());
        let serves = health.serves("tcp", "127.0.0.1:1");
        assert_eq!(health.report(), (200, serde_json::json!({ "status": "ok" })));
        shutdown.begin();
        assert_eq!(health.report().0, 503);
        drop(serves);
        assert_eq!(health.report().1["status"], "shutting down", "what ends then was told to");
    }
}
