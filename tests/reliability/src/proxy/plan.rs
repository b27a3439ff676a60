//! Which faults there are, and which of them a seed chooses.

use crate::settings::rng;

/// How a connection is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// Both sides are told FIN.
    Close,
    /// Both sides are told RST.
    Reset,
    /// This direction ends with a FIN, the other goes on.
    Half,
}

/// One thing that goes wrong in one direction. Positions count bytes of that direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The connection ends here.
    Cut(u64, Cut),
    /// From here on bytes vanish, and nobody is told.
    BlackHole(u64),
    /// Every piece is late by so many milliseconds.
    Delay(u64),
    /// No more than so many bytes a second.
    Throttle(u64),
    /// So many bytes travel one by one; the rest as they come.
    Dribble(u64),
    /// Bytes are kept until there are so many, or 5 ms have passed.
    Coalesce(usize),
    /// These bytes come twice.
    Duplicate(u64, u64),
    /// These bytes do not come.
    Drop(u64, u64),
    /// Of the byte here this bit is flipped.
    Flip(u64, u8),
}

/// What goes wrong in one direction.
pub type Faults = Vec<Fault>;

/// What a seed has in store for each connection.
#[derive(Clone, Copy, Debug)]
pub struct Weather {
    seed: u64,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Bytes come late and in pieces, but they come.
    Slow,
    /// And connections end.
    Cutting,
    /// And bytes are not what they were.
    Corrupting,
}

impl Weather {
    /// That of a seed: of ten, six cut, three corrupt, and one is slow only.
    #[must_use]
    pub fn of(seed: u64) -> Self {
        let kind = match rng(seed, "weather").u8(0..10) {
            0..6 => Kind::Cutting,
            6..9 => Kind::Corrupting,
            _ => Kind::Slow,
        };
        Self { seed, kind }
    }

    /// That of a seed, where every byte arrives and nothing ends early.
    #[must_use]
    pub fn slow(seed: u64) -> Self {
        Self { seed, kind: Kind::Slow }
    }

    /// Whether bytes may be changed on the way. Then nobody can promise whose reply is whose.
    #[must_use]
    pub fn corrupts(self) -> bool {
        self.kind == Kind::Corrupting
    }

    /// What happens to the connection of this number: on the way there, and on the way back.
    #[must_use]
    pub fn faults(self, connection: u64) -> [Faults; 2] {
        let mut rng = rng(self.seed.wrapping_add(connection << 32), "connection");
        [self.one_way(&mut rng), self.one_way(&mut rng)]
    }

    fn one_way(self, rng: &mut fastrand::Rng) -> Faults {
        let mut faults = Vec::new();
        // Two of five are slow in some way.
        match rng.u8(0..10) {
            0 => faults.push(Fault::Delay(rng.u64(1..60))),
            1 => faults.push(Fault::Throttle(rng.u64(20_000..400_000))),
            2 => faults.push(Fault::Dribble(rng.u64(100..8_000))),
            3 => faults.push(Fault::Coalesce(rng.usize(2..20_000))),
            _ => {}
        }
        // Small numbers as often as large ones: into the first header, or deep into a body.
        let somewhere = |rng: &mut fastrand::Rng| {
            let magnitude = rng.u8(1..18);
            rng.u64(0..1 << magnitude)
        };
        if self.kind == Kind::Cutting {
            match rng.u8(0..8) {
                0 => faults.push(Fault::Cut(somewhere(rng), Cut::Close)),
                1 => faults.push(Fault::Cut(somewhere(rng), Cut::Reset)),
                2 => faults.push(Fault::Cut(somewhere(rng), Cut::Half)),
                3 => faults.push(Fault::BlackHole(somewhere(rng))),
                _ => {}
            }
        }
        if self.kind == Kind::Corrupting {
            match rng.u8(0..5) {
                0 => faults.push(Fault::Duplicate(somewhere(rng), rng.u64(1..300))),
                1 => faults.push(Fault::Drop(somewhere(rng), rng.u64(1..300))),
                2 | 3 => faults.push(Fault::Flip(somewhere(rng), rng.u8(0..8))),
                _ => {}
            }
        }
        faults
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_always_plans_the_same() {
        for seed in 0..50 {
            assert_eq!(Weather::of(seed).faults(3), Weather::of(seed).faults(3));
        }
        assert_ne!(Weather::of(1).faults(0), Weather::of(1).faults(1));
    }

    #[test]
    fn slow_weather_neither_ends_nor_changes_anything() {
        let faults = (0..200).flat_map(|seed| Weather::slow(seed).faults(seed)).flatten();
        for fault in faults {
            assert!(
                matches!(fault, Fault::Delay(_) | Fault::Throttle(_) | Fault::Dribble(_) | Fault::Coalesce(_)),
                "{fault:?}"
            );
        }
    }

    #[test]
    fn every_fault_comes_up() {
        let all: Vec<Fault> = (0..400).flat_map(|seed| Weather::of(seed).faults(0)).flatten().collect();
        let kinds: std::collections::HashSet<_> = all.iter().map(std::mem::discriminant).collect();
        assert_eq!(kinds.len(), 9);
        for cut in [Cut::Close, Cut::Reset, Cut::Half] {
            assert!(all.iter().any(|fault| matches!(fault, Fault::Cut(_, how) if *how == cut)), "{cut:?}");
        }
    }
}
