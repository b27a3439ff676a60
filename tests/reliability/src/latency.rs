//! How long calls took, in percentiles.

use std::fmt;
use std::time::Duration;

use hdrhistogram::Histogram;

/// The longest time told apart from longer ones.
const MAX_MICROS: u64 = 600_000_000;

/// Times of calls, in constant memory, with two digits kept.
#[derive(Clone, Debug)]
pub struct Latencies(Histogram<u64>);

impl Default for Latencies {
    fn default() -> Self {
        Self(Histogram::new_with_bounds(1, MAX_MICROS, 2).expect("the bounds are constants"))
    }
}

impl Latencies {
    /// Notes one.
    pub fn add(&mut self, time: Duration) {
        self.0.saturating_record(u64::try_from(time.as_micros()).unwrap_or(MAX_MICROS));
    }

    /// Takes over those of another.
    pub fn absorb(&mut self, other: &Self) {
        // Both have the same bounds.
        let _ = self.0.add(&other.0);
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.0.len()
    }

    /// The time that 99 of 100 stay under.
    #[must_use]
    pub fn p99(&self) -> Duration {
        self.quantile(0.99)
    }

    /// The time that half of them stay under.
    #[must_use]
    pub fn median(&self) -> Duration {
        self.quantile(0.5)
    }

    /// The longest.
    #[must_use]
    pub fn max(&self) -> Duration {
        self.quantile(1.0)
    }

    fn quantile(&self, quantile: f64) -> Duration {
        Duration::from_micros(if self.0.is_empty() { 0 } else { self.0.value_at_quantile(quantile) })
    }
}

impl fmt::Display for Latencies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.1?}/{:.1?}/{:.1?}", self.median(), self.p99(), self.max())
    }
}
