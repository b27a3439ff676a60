//! Which handlers one server of an application serves, and what it makes of them.

use nestrs_core::{Application, ErrorKind, ExtraKind, HandlerKind, Route, TransportError, Wildcard, WildcardStyle};

use crate::transport::{Bound, TransportServer};

/// What one server of an application serves handlers with.
///
/// ```
/// use nestrs_core::{ExtraKind, WildcardStyle};
/// use nestrs_microservices::Serving;
///
/// let serving = Serving::new("nats").wildcards(WildcardStyle::Nats).extras(&[("queue", ExtraKind::Text)]);
/// assert_eq!(serving.transport, "nats");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Serving {
    /// What it is called when bound; handlers with a filter for other transports are not served.
    pub transport: &'static str,
    /// Whose wildcards it finds handlers by. Default `None`: every pattern is taken as it is.
    pub wildcards: Option<WildcardStyle>,
    /// Whose wildcards its broker finds handlers by, before it delivers. Default `None`.
    pub subscribes: Option<WildcardStyle>,
    /// The extras of handlers that it reads. Default none.
    pub extras: &'static [(&'static str, ExtraKind)],
}

impl Serving {
    /// A server of the transport of that name, with the defaults.
    #[must_use]
    pub const fn new(transport: &'static str) -> Self {
        Self { transport, wildcards: None, subscribes: None, extras: &[] }
    }

    /// What a server that is bound says of itself.
    #[must_use]
    pub fn of(server: &dyn TransportServer, bound: &Bound) -> Self {
        Self {
            transport: bound.transport,
            wildcards: server.wildcards(),
            subscribes: server.subscribes(),
            extras: server.extras(),
        }
    }

    /// Sets whose wildcards it finds handlers by.
    #[must_use]
    pub const fn wildcards(self, style: WildcardStyle) -> Self {
        Self { wildcards: Some(style), ..self }
    }

    /// Sets which extras it reads.
    #[must_use]
    pub const fn extras(self, extras: &'static [(&'static str, ExtraKind)]) -> Self {
        Self { extras, ..self }
    }

    /// The handlers it serves: messages and events, for its transport or for all.
    pub fn routes<'a>(&self, application: &'a Application) -> impl Iterator<Item = &'a Route> + use<'a> {
        let transport = self.transport;
        let routes = application.routes.iter().filter(|route| route.kind != HandlerKind::Bus);
        routes.filter(move |route| route.is_served_by(transport))
    }

    /// Compares what handlers ask for with what the servers of their application do. Warned of, in the log: a filter that
    /// names a transport no server is of, extras that no transport of a handler reads, and wildcards that all of them take
    /// as plain text.
    ///
    /// # Errors
    /// When an extra is not of the kind that a transport reads.
    pub fn check(application: &Application, servers: &[Self]) -> Result<(), TransportError> {
        let routes = || application.routes.iter().filter(|route| route.kind != HandlerKind::Bus);
        // A handler with several patterns is checked once for what it says once.
        let mut checked = None;
        for route in routes() {
            let serving: Vec<&Self> = servers.iter().filter(|server| route.is_served_by(server.transport)).collect();
            let said = (route.handler, route.transports, route.extras);
            if checked.replace(said) != Some(said) {
                warn_of_unserved(route, servers);
                check_extras(route, &serving)?;
            }
            warn_of_plain_wildcards(route, &serving);
        }
        Ok(())
    }

    fn understands(&self, route: &Route) -> bool {
        [self.wildcards, self.subscribes]
            .into_iter()
            .flatten()
            .any(|style| Wildcard::new(&route.pattern, style).is_some())
    }
}

fn warn_of_unserved(route: &Route, servers: &[Serving]) {
    for transport in route.transports {
        if !servers.iter().any(|server| server.transport == transport.as_str()) {
            tracing::warn!(
                handler = route.handler,
                pattern = route.pattern.route(),
                transport = transport.as_str(),
                "a handler is for a transport that this application does not serve"
            );
        }
    }
}

fn check_extras(route: &Route, serving: &[&Serving]) -> Result<(), TransportError> {
    for (name, value) in route.extras.iter() {
        let mut is_read = false;
        for server in serving {
            for (_, kind) in server.extras.iter().filter(|(known, _)| *known == name) {
                if !kind.accepts(&value) {
                    let (handler, transport, kind) = (route.handler, server.transport, kind.describe());
                    let text = format!("the extra `{name}` of `{handler}` is for `{transport}`, where it is {kind}");
                    return Err(TransportError::withheld(ErrorKind::Internal, text));
                }
                is_read = true;
            }
        }
        // Without a server for it, a handler has been warned of already.
        if !is_read && !serving.is_empty() {
            tracing::warn!(
                handler = route.handler,
                extra = name,
                transports = names(serving),
                "no transport that serves a handler reads this extra of it"
            );
        }
    }
    Ok(())
}

/// Whoever writes `orders.*` rarely waits for a message to `orders.*`, though NestJS's TCP takes it so.
fn warn_of_plain_wildcards(route: &Route, serving: &[&Serving]) {
    if !serving.is_empty() && looks_like_wildcards(route) && !serving.iter().any(|server| server.understands(route)) {
        tracing::warn!(
            handler = route.handler,
            pattern = route.pattern.route(),
            transports = names(serving),
            "a pattern looks like wildcards and is taken as it is"
        );
    }
}

/// Of whatever broker, and also where a `>` stands too early; `*` and `+` alone are rather a calculator's.
fn looks_like_wildcards(route: &Route) -> bool {
    let text = route.pattern.route();
    let is_wildcard = |word: &str| matches!(word, "*" | ">" | "+" | "#");
    !text.starts_with('{') && !matches!(text, "*" | "+") && text.split(['.', '/']).any(is_wildcard)
}

fn names(serving: &[&Serving]) -> String {
    serving.iter().map(|server| server.transport).collect::<Vec<_>>().join(", ")
}
