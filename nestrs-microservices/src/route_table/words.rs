//! The hash of the route table: eight bytes at a time, and without a secret.
//!
//! std's default is keyed by a random secret, since whoever knows a hash can fill a map with keys that collide. Nobody does
//! so here: what the table holds comes from the application's own declarations and is complete before the first message.
//! Peers only look up, so the worst that a chosen pattern can do is to meet the few declared ones of its own hash.

use std::hash::{BuildHasher, Hasher};

/// Builds [`Words`].
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ByWords;

/// A product of 128 bits for each word, folded into 64.
#[derive(Debug)]
pub(super) struct Words(u64);

/// Odd, and without a pattern in its bits: the fraction of the golden ratio.
const FACTOR: u64 = 0x9E37_79B9_7F4A_7C15;

impl BuildHasher for ByWords {
    type Hasher = Words;

    fn build_hasher(&self) -> Words {
        Words(FACTOR)
    }
}

impl Words {
    const fn add(&mut self, word: u64) {
        let product = (self.0 ^ word) as u128 * FACTOR as u128;
        // High bits of the product depend on all bits, and a map uses the lowest too.
        self.0 = product as u64 ^ (product >> 64) as u64;
    }
}

impl Hasher for Words {
    fn write(&mut self, text: &[u8]) {
        let (words, rest) = text.as_chunks();
        words.iter().for_each(|word| self.add(u64::from_le_bytes(*word)));
        if !rest.is_empty() {
            // The last word once more, in part, rather than byte by byte.
            let last = text.last_chunk().map(|word| u64::from_le_bytes(*word));
            self.add(last.unwrap_or_else(|| rest.iter().fold(0, |word, byte| word << 8 | u64::from(*byte))));
        }
    }

    fn write_u8(&mut self, byte: u8) {
        self.add(byte.into());
    }

    fn write_usize(&mut self, len: usize) {
        self.add(len as u64);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    /// Names that differ in a digit or two, as those of an application do, by the bits that a map chooses a place by and by
    /// those that it keeps beside it.
    #[test]
    fn similar_patterns_are_spread_over_a_table() {
        for names in [|at| format!("orders.{at}.find"), |at| format!(r#"{{"cmd":"{at}"}}"#), |at: u32| at.to_string()] {
            let hashes: Vec<u64> = (0..10_000).map(|at| ByWords.hash_one(names(at).as_bytes())).collect();
            assert_eq!(hashes.iter().collect::<HashSet<_>>().len(), hashes.len());
            for shift in [0, 7, 50] {
                let mut places = vec![0; 1 << 14];
                hashes.iter().for_each(|hash| places[(hash >> shift) as usize % (1 << 14)] += 1);
                // By chance 46 % of the places would have something in them, and the fullest one six or seven.
                assert!(places.iter().filter(|count| **count > 0).count() > 7_000, "{} {shift}", names(1));
                assert!(places.iter().max() < Some(&12), "{} {shift}", names(1));
            }
        }
    }

    #[test]
    fn every_byte_of_a_pattern_counts() {
        for len in 1..40 {
            let pattern = vec![b'x'; len];
            for at in 0..len {
                let mut other = pattern.clone();
                other[at] = b'y';
                assert_ne!(ByWords.hash_one(&pattern[..]), ByWords.hash_one(&other[..]), "{at} of {len}");
            }
        }
    }
}
