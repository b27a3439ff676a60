//! The index of all handler tables that are linked into the program.

use std::any::TypeId;
use std::collections::HashMap;

use linkme::distributed_slice;

use crate::handler::HandlerSet;
use crate::sorted::sorted;

/// Every `#[micro_routes]` and `#[event_routes]` block of every linked crate.
///
/// A crate that is only listed in `Cargo.toml` and never named in code contributes nothing; `use that_crate as _;` is
/// enough to bring it in.
#[distributed_slice]
pub static HANDLERS: [HandlerSet];

/// All sets, sorted by the name of their service: link order is nobody's business.
pub(crate) fn all() -> Vec<&'static HandlerSet> {
    let name = |set: &HandlerSet| (set.service_name(), set.handlers().first().map(crate::HandlerDef::name));
    sorted(HANDLERS.iter(), |one, other| name(one) <= name(other))
}

/// The same, by service.
pub(crate) fn by_service() -> HashMap<TypeId, Vec<&'static HandlerSet>> {
    let mut sets: HashMap<_, Vec<_>> = HashMap::new();
    for set in all() {
        sets.entry(set.service()).or_default().push(set);
    }
    sets
}
