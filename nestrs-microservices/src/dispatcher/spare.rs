//! Contexts of calls, used again: what is large is filled in where it stands, and not made and moved.

use std::cell::RefCell;
use std::ops::{Deref, DerefMut};

use nestrs_core::{ContextKind, ExecutionContext, Payload};

/// The most spare contexts that a thread keeps, of some 300 bytes each and without anything of a call; more are given
/// back to the allocator. Calls of one batch begin and end one after another, so this many at once are those that wait
/// for something.
const SPARE_MAX: usize = 64;

thread_local! {
    #[expect(clippy::vec_box, reason = "they are handed out in the boxes they have")]
    static SPARE: RefCell<Vec<Box<ExecutionContext>>> = const { RefCell::new(Vec::new()) };
}

/// The context of one call. When it is dropped, all of the call goes there and then; what is left is kept for another
/// call of the thread on which that happens.
///
/// Invariant: `Some` up to the drop.
pub(super) struct OwnContext(Option<Box<ExecutionContext>>);

impl OwnContext {
    /// With nothing of a call in it.
    pub(super) fn blank() -> Self {
        let spare = SPARE.try_with(|spare| spare.borrow_mut().pop()).ok().flatten();
        Self(Some(spare.unwrap_or_else(|| {
            let mut cx = ExecutionContext::new(ContextKind::Message, "", Payload::absent());
            cx.clear();
            Box::new(cx)
        })))
    }
}

impl Deref for OwnContext {
    type Target = ExecutionContext;
    fn deref(&self) -> &ExecutionContext {
        self.0.as_deref().unwrap_or_else(|| unreachable!("it is taken by the drop only"))
    }
}

impl DerefMut for OwnContext {
    fn deref_mut(&mut self) -> &mut ExecutionContext {
        self.0.as_deref_mut().unwrap_or_else(|| unreachable!("it is taken by the drop only"))
    }
}

impl Drop for OwnContext {
    fn drop(&mut self) {
        let Some(mut cx) = self.0.take() else { return };
        // Stages may have left in it what makes calls when it is dropped: nothing is borrowed meanwhile. What panics
        // takes the context with it.
        cx.clear();
        let _ = SPARE.try_with(|spare| {
            let mut spare = spare.borrow_mut();
            if spare.len() < SPARE_MAX {
                spare.push(cx);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contexts_are_used_again_and_no_more_are_kept_than_the_limit() {
        let spare = || SPARE.with(|spare| spare.borrow().len());
        let many: Vec<_> = (0..2 * SPARE_MAX).map(|_| OwnContext::blank()).collect();
        assert_eq!(spare(), 0);
        drop(many);
        assert_eq!(spare(), SPARE_MAX);
        let one = OwnContext::blank();
        assert_eq!(spare(), SPARE_MAX - 1);
        drop(one);
        assert_eq!(spare(), SPARE_MAX);
    }

    #[test]
    fn nothing_of_a_call_is_left_for_the_next() {
        let held = std::sync::Arc::new(());
        let mut cx = OwnContext::blank();
        cx.renew("sum".into(), Payload::from_json("1"), None, None, std::sync::Arc::clone(&held) as _);
        cx.extensions().insert(7_u32);
        drop(cx);
        assert_eq!(std::sync::Arc::strong_count(&held), 1);
        let cx = OwnContext::blank();
        assert!(cx.payload().is_absent() && cx.pattern().is_empty());
        assert_eq!(cx.extensions().get::<u32>(), None);
    }
}
