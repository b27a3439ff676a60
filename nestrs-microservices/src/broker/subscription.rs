//! What a server subscribes to: one pattern, with what its handlers ask for.

use std::sync::Arc;

use nestrs_core::{Extras, Route, TransportError};

use crate::route_table::RouteEntry;

/// One pattern that a server subscribes to.
#[derive(Clone, Debug)]
pub(crate) struct Subscription {
    /// As it is declared; what [`Delivery::subscribed`](super::Delivery::subscribed) says.
    pub(crate) pattern: Arc<str>,
    /// Whether anybody answers calls of it, and whether anybody handles its events.
    pub(crate) calls: bool,
    pub(crate) events: bool,
    /// Of each of its handlers, with the handler's name, in the order of declaration.
    extras: Vec<(&'static str, Extras)>,
}

impl Subscription {
    pub(super) fn of(entry: &RouteEntry) -> Self {
        let handlers = entry.message.iter().chain(&entry.events);
        let extras = handlers.map(|route: &Route| (route.handler, route.extras)).collect();
        let (calls, events) = (entry.message.is_some(), !entry.events.is_empty());
        Self { pattern: Arc::clone(&entry.pattern), calls, events, extras }
    }

    /// The names of its handlers, in the order of declaration.
    #[cfg(feature = "nats")]
    pub(crate) fn handlers(&self) -> impl Iterator<Item = &'static str> {
        self.extras.iter().map(|(handler, _)| *handler)
    }

    /// The extra of that name that its handlers have; `None` where none has it.
    ///
    /// # Errors
    /// When two of them want different things: there is one subscription for all.
    pub(crate) fn text(&self, name: &str) -> Result<Option<&'static str>, TransportError> {
        let mut found: Option<(&str, &'static str)> = None;
        for (handler, extras) in &self.extras {
            let Some(text) = extras.text(name) else { continue };
            match found {
                Some((first, other)) if other != text => {
                    return Err(TransportError::internal(format!(
                        "`{first}` and `{handler}` share the pattern `{}`, and want its `{name}` to be `{other}` and `{text}`",
                        self.pattern
                    )));
                }
                _ => found = Some((handler, text)),
            }
        }
        Ok(found.map(|(_, text)| text))
    }
}
