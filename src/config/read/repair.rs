//! Pass after pass, each with one more place patched, until one gets through: then every mistake is known.

use std::cell::RefCell;
use std::iter;

use super::cursor::{Cursor, Input};
use super::fault::{Fault, Kind};
use super::neutral::{self, SHAPES};
use super::pass::{Pass, Patch, Patches, Seen};
use super::report::{End, Report};
use crate::config::error::ConfigError;
use crate::config::path::Path;
use crate::config::service::Loaded;

/// How many problems are looked for, and told.
const PROBLEMS_MAX: usize = 100;
/// How many passes there may be: a bound for types that nothing pleases.
const PASSES_MAX: usize = 4_000;

/// How deep places are made up: a type that contains itself for ever has no value.
const DEPTH_MAX: usize = 64;

type Attempt<'a> = &'a dyn Fn(Cursor<'_>) -> Result<(), Fault>;

/// # Errors
/// With every key at or below `root` that keeps `attempt` from succeeding.
pub(super) fn run(loaded: &Loaded, root: &Path, attempt: Attempt<'_>) -> Result<(), ConfigError> {
    let mut repair = Repair {
        loaded,
        root,
        attempt,
        patches: Patches::new(),
        made_up: Vec::new(),
        report: Report::default(),
        passes: 0,
    };
    loop {
        let (outcome, seen) = repair.pass(&repair.patches);
        repair.passes += 1;
        let Err(fault) = outcome else { return repair.report.finish(loaded, root, &seen, End::Through) };
        let goes_on = repair.learn(fault, &seen);
        if !goes_on || repair.report.len() >= PROBLEMS_MAX || repair.passes >= PASSES_MAX {
            return repair.report.finish(loaded, root, &seen, End::GaveUp);
        }
    }
}

struct Repair<'a> {
    loaded: &'a Loaded,
    root: &'a Path,
    attempt: Attempt<'a>,
    patches: Patches,
    /// What was missing and is made up, in the order found: the latest may be of the wrong kind yet.
    made_up: Vec<Path>,
    report: Report,
    passes: usize,
}

impl Repair<'_> {
    fn pass(&self, patches: &Patches) -> (Result<(), Fault>, Seen) {
        let pass = Pass { loaded: self.loaded, patches, seen: RefCell::default() };
        let input = self.loaded.tree.at(self.root).map_or(Input::Absent, Input::Node);
        let outcome = match pass.cursor(self.root.clone(), input) {
            Some(cursor) => (self.attempt)(cursor),
            None => Err(Kind::Absent.into()),
        };
        (outcome.map_err(|fault| fault.at(self.root)), pass.seen.into_inner())
    }

    /// Notes what a pass failed of and patches it; false when there is nothing left to try.
    fn learn(&mut self, fault: Fault, seen: &Seen) -> bool {
        let at = fault.at.clone().unwrap_or_default();
        match &fault.kind {
            Kind::Missing(field) => {
                let place = at.key(field);
                if self.patches.contains_key(&place) {
                    return self.escalate(&at);
                }
                if place.steps().len() > self.root.steps().len() + self.loaded.options.max_depth.min(DEPTH_MAX) {
                    return false;
                }
                // What is missing in what we put there ourselves is nobody's mistake.
                if self.neutral_around(&at).is_none() {
                    self.report.add(place.clone(), fault);
                }
                self.patches.insert(place.clone(), Patch::Neutral(0));
                self.made_up.push(place);
                true
            }
            Kind::UnknownKey { key, .. } => {
                let place = at.key(key);
                if self.patches.contains_key(&place) {
                    return self.escalate(&at);
                }
                self.report.add(place.clone(), fault);
                self.patches.insert(place, Patch::Unknown);
                true
            }
            _ => self.learn_misfit(at, fault, seen),
        }
    }

    fn learn_misfit(&mut self, at: Path, fault: Fault, seen: &Seen) -> bool {
        if let Some(neutral) = self.neutral_around(&at) {
            return self.escalate(&neutral);
        }
        if let Some((culprit, patch)) = self.culprit(&at, &fault, seen) {
            if patch != Patch::String {
                self.report.add(culprit.clone(), fault);
            }
            self.patches.insert(culprit, patch);
            return true;
        }
        let ours = |(place, patch): &(&Path, &Patch)| {
            matches!(patch, Patch::Neutral(_) | Patch::Skipped) && place.is_within(&at)
        };
        if !self.patches.iter().any(|patched| ours(&patched)) {
            self.report.add(at.clone(), fault);
            self.patches.insert(at, Patch::Neutral(0));
            return true;
        }
        // Maybe it only says that what we put inside is no good.
        let can_change = |place: &&Path| {
            let is_neutral = matches!(self.patches.get(place), Some(Patch::Neutral(_)));
            is_neutral && place.is_within(&at) && seen.guessed.contains(place)
        };
        let changed = self.made_up.iter().rev().find(can_change).cloned();
        self.escalate(&changed.unwrap_or(at))
    }

    /// Puts the next neutral value there; takes the place away when all are used up, and goes to the one around it when
    /// it is gone already.
    fn escalate(&mut self, at: &Path) -> bool {
        let next = match self.patches.get(at) {
            None | Some(Patch::String) => Patch::Neutral(0),
            Some(Patch::Neutral(shape)) if shape + 1 < SHAPES => Patch::Neutral(shape + 1),
            Some(Patch::Neutral(_)) => Patch::Skipped,
            Some(Patch::Skipped | Patch::Unknown) => {
                return at != self.root && at.parent().is_some_and(|parent| self.escalate(&parent));
            }
        };
        self.patches.insert(at.clone(), next);
        true
    }

    /// The innermost place at or around `at` that is patched with a neutral value.
    fn neutral_around(&self, at: &Path) -> Option<Path> {
        let is_neutral = |place: &Path| matches!(self.patches.get(place), Some(Patch::Neutral(_)));
        let mut place = Some(at.clone());
        while let Some(here) = place {
            if is_neutral(&here) {
                return Some(here);
            }
            place = here.parent();
        }
        None
    }

    /// When serde has read a part before it knew the type, it says no more than that something in it is wrong. Which key,
    /// is found by trying: keys are looked at in order, so the last one that can change the outcome is the culprit, and
    /// what comes after it has not been looked at yet.
    fn culprit(&mut self, at: &Path, fault: &Fault, seen: &Seen) -> Option<(Path, Patch)> {
        let candidates = seen.guessed.iter().filter(|place| place.is_within(at) && *place != at);
        let candidates: Vec<_> = candidates.filter(|place| !self.patches.contains_key(place)).cloned().collect();
        for place in candidates.into_iter().rev() {
            let mut matters = false;
            let mut tried = Vec::new();
            // A string first: that cures, while all others only tell.
            for patch in iter::once(Patch::String).chain((0..neutral::ANY_SHAPES).map(Patch::Neutral)) {
                if self.passes >= PASSES_MAX {
                    return None;
                }
                let mut patches = self.patches.clone();
                patches.insert(place.clone(), patch);
                self.passes += 1;
                let Err(other) = self.pass(&patches).0 else { return Some((place, patch)) };
                // What a type says itself may be about all of its keys.
                if matches!(fault.kind, Kind::Other(_)) || other.at.as_ref().is_some_and(|at| at.is_within(&place)) {
                    continue;
                }
                matters |= other != *fault;
                let ours = match patch {
                    Patch::Neutral(shape) => neutral::kind(shape),
                    _ => "a string",
                };
                // Still the same wish, not granted by what stands there now.
                let of_ours = other.at == fault.at
                    && matches!(&other.kind, Kind::Misfit { found, .. } if *found == ours)
                    && other.kind.wanted() == fault.kind.wanted();
                tried.push((patch, of_ours));
            }
            if matters {
                let better = tried.into_iter().find(|(_, of_ours)| !of_ours);
                return better.map(|(patch, _)| (place, patch));
            }
        }
        None
    }
}
