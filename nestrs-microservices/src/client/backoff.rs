//! Pauses that grow from try to try.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

/// How long to pause between tries: up to `min` before the first, `factor` times as long before each further one, never
/// longer than `max`.
///
/// Each pause is a random part of what it may be ("full jitter"), so that clients that failed together do not come back
/// together.
///
/// ```
/// use std::time::Duration;
/// use nestrs_microservices::Backoff;
///
/// let backoff = Backoff { min: Duration::from_millis(100), ..Backoff::default() };
/// assert_eq!(backoff.longest(0), Duration::from_millis(100));
/// assert_eq!(backoff.longest(2), Duration::from_millis(400));
/// assert_eq!(backoff.longest(60), Duration::from_secs(1));
/// assert!(backoff.pause(2) <= Duration::from_millis(400));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// The longest first pause. Default 50 ms.
    pub min: Duration,
    /// How many times longer each further one may be. Default 2; 1 lets them all be as the first.
    pub factor: u32,
    /// What no pause is longer than. Default 1 s.
    pub max: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { min: Duration::from_millis(50), factor: 2, max: Duration::from_secs(1) }
    }
}

impl Backoff {
    /// The longest pause after `failures` pauses that did not help.
    #[must_use]
    pub fn longest(&self, failures: u32) -> Duration {
        // Beyond any Duration after 64 doublings; what does not grow needs no power.
        let growth = self.factor.max(1).saturating_pow(failures.min(64));
        self.min.saturating_mul(growth).min(self.max)
    }

    /// A random part of [`Backoff::longest`].
    #[must_use]
    pub fn pause(&self, failures: u32) -> Duration {
        // 32 random bits: each new state hashes differently. No secret hangs on it.
        let random = RandomState::new().hash_one(failures) >> 32;
        // Nobody waits longer than a century, and a float can say it.
        let longest = self.longest(failures).min(Duration::from_secs(100 * 365 * 24 * 60 * 60));
        longest.mul_f64(random as f64 / f64::from(u32::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cl_5_pauses_are_spread_over_all_they_may_be() {
        let backoff = Backoff::default();
        let mut bins = [0; 10];
        for _ in 0..10_000 {
            let pause = backoff.pause(10);
            assert!(pause <= Duration::from_secs(1));
            bins[(pause.as_millis() / 100).min(9) as usize] += 1;
        }
        assert!(bins.iter().all(|count| (800..1200).contains(count)), "{bins:?}");
    }

    #[test]
    fn the_longest_durations_and_factors_do_not_overflow() {
        let backoff = Backoff { min: Duration::MAX, factor: u32::MAX, max: Duration::MAX };
        assert_eq!(backoff.longest(u32::MAX), Duration::MAX);
        assert!(backoff.pause(u32::MAX) < Duration::MAX);
        assert_eq!(Backoff { factor: 0, ..Backoff::default() }.longest(9), Duration::from_millis(50));
    }
}
