//! A server in memory that comes and goes.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use nestrs::microservices::net::io::Connector;
use nestrs::microservices::{Backoff, TcpTransportOptions};
use tokio::io::DuplexStream;
use tokio::time::Instant;

/// Pauses short enough to wait for.
pub fn soon() -> Backoff {
    Backoff { min: Duration::from_millis(1), max: Duration::from_millis(5), ..Backoff::default() }
}

/// A server in memory, under paused time: it can be away, and says when it was dialled.
#[derive(Clone, Default)]
pub struct Place(pub Arc<PlaceState>);

#[derive(Default)]
pub struct PlaceState {
    pub away: AtomicBool,
    /// Connections end at once.
    pub hasty: AtomicBool,
    /// The connector panics.
    pub panics: AtomicBool,
    pub dials: AtomicUsize,
    /// Milliseconds that a dial takes beyond the first.
    slowness: AtomicU64,
    pub arrivals: Mutex<Vec<Instant>>,
    pub open: Mutex<Vec<DuplexStream>>,
}

impl Place {
    pub fn connector(&self) -> Connector {
        let place = self.clone();
        Connector::new(move || {
            let place = Arc::clone(&place.0);
            async move {
                assert!(!place.panics.load(Ordering::Relaxed), "a connector of the user's");
                place.dials.fetch_add(1, Ordering::Relaxed);
                let slowness = place.slowness.load(Ordering::Relaxed);
                tokio::time::sleep(Duration::from_millis(1 + slowness)).await;
                if place.away.load(Ordering::Relaxed) {
                    return Err(std::io::ErrorKind::ConnectionRefused.into());
                }
                let (near, far) = tokio::io::duplex(1024);
                place.arrivals.lock().unwrap().push(Instant::now());
                if !place.hasty.load(Ordering::Relaxed) {
                    place.open.lock().unwrap().push(far);
                }
                Ok(near)
            }
        })
    }

    pub fn options(&self) -> TcpTransportOptions {
        TcpTransportOptions::default().connector(self.connector())
    }

    /// How often it was dialled since it last left.
    pub fn dials(&self) -> usize {
        self.0.dials.load(Ordering::Relaxed)
    }

    pub fn dials_take(&self, longer: Duration) {
        self.0.slowness.store(longer.as_millis() as u64, Ordering::Relaxed);
    }

    pub fn leave(&self) {
        self.0.away.store(true, Ordering::Relaxed);
        self.0.open.lock().unwrap().clear();
        self.0.arrivals.lock().unwrap().clear();
        self.0.dials.store(0, Ordering::Relaxed);
    }

    pub fn return_to_work(&self) {
        self.0.away.store(false, Ordering::Relaxed);
    }
}
