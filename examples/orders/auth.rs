//! Who may do what: NestJS's `@Roles('customer')` and its guard.

use std::sync::Arc;

use nestrs::prelude::*;

/// Whom a handler is for; without it, for everybody. `#[set_metadata(Roles(&["customer"]))]`.
#[derive(Debug)]
pub(crate) struct Roles(pub(crate) &'static [&'static str]);

/// Lets those in who have one of the wanted roles. `AppModule` puts it around everything.
///
/// The role is the header `x-role` of a request, or the metadata `x-role` of a message: to a guard they are the same.
/// A real one would verify a token.
#[injectable]
pub(crate) struct RolesGuard {
    reflector: Arc<Reflector>,
}

impl CanActivate for RolesGuard {
    async fn can_activate(&self, cx: &ExecutionContext) -> Result<(), TransportError> {
        // The method's roles override those of its block.
        let Some(Roles(wanted)) = self.reflector.get_all_and_override(cx) else { return Ok(()) };
        let Some(role) = cx.metadata().get("x-role") else {
            return Err(TransportError::new("who are you?").with_kind(ErrorKind::Unauthorized));
        };
        if wanted.contains(&role) { Ok(()) } else { Err(forbidden()) }
    }
}
