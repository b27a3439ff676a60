//! What is known of a call over all of its tries, and whether there is another.

use nestrs_core::{ErrorKind, Sent, TransportError};

use crate::client::TriesLeft;
use crate::transport::CallOptions;

/// What is known of a call over all of its tries.
pub(crate) struct Tries {
    /// `Maybe` from the moment at which any of them was queued; back to `No` only when it turns out that not a byte of it
    /// was sent.
    pub(crate) sent: Sent,
    /// What was surely not executed is sent once more.
    again: bool,
    /// How often that may be, where somebody outside makes tries too.
    left: Option<TriesLeft>,
}

impl Tries {
    /// Of a call that somebody outside makes again, nothing is done twice here.
    pub(crate) fn new(options: &CallOptions) -> Self {
        Self { sent: Sent::No, again: options.tries_left.is_none(), left: options.tries_left.clone() }
    }

    /// A stream that is open is nobody's business outside any more, and its first answer may still be a refusal.
    pub(crate) fn opened(&mut self) {
        self.again |= self.left.is_some();
    }

    /// Something has come of it: nothing may come twice.
    pub(crate) fn answered(&mut self) {
        self.again = false;
    }

    fn another(&mut self) -> bool {
        std::mem::take(&mut self.again) && self.left.as_ref().is_none_or(TriesLeft::take)
    }

    /// How a try ended: with the outcome of the call, or with the reason to try once more.
    pub(crate) fn judge<T>(
        &mut self,
        before: Sent,
        outcome: Result<T, TransportError>,
    ) -> Result<Result<T, TransportError>, TransportError> {
        let Err(error) = outcome else { return Ok(outcome) };
        self.sent = if error.sent() == Some(Sent::No) { before } else { Sent::Maybe };
        let lost_unsent = error.kind() == ErrorKind::ConnectionClosed && error.sent() == Some(Sent::No);
        let refused = error.sent() == Some(Sent::Maybe) && error.was_not_executed();
        if (lost_unsent || refused) && self.another() {
            return Err(error);
        }
        Ok(Err(error.with_sent(self.sent)))
    }
}
