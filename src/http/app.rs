//! The HTTP half of an application: its settings, and the router they make.

use std::any::Any;
use std::collections::BTreeMap;

use axum::Router;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::middleware::from_fn;
use axum::response::Response;
use axum::routing::get;
use nestrs_core::log_limit::LogLimit;
use nestrs_core::{Application, Chain, Enhancers, INTERNAL_SERVER_ERROR, StageKind};
use tower_http::catch_panic::CatchPanicLayer;

use crate::explain::Explained;
use crate::servers::Servers;

use super::cors::CorsOptions;
use super::health;
use super::layer::{RouteLayer, finish, panic_text};
use super::reply::error_body;
use super::route::{MountedRoute, join, mount_all};

/// Settings of the HTTP half; what `configure_http` receives and returns.
#[derive(Debug, Default)]
pub struct HttpApp {
    prefix: String,
    health: Option<String>,
    cors: Option<CorsOptions>,
    merged: Option<Router>,
    enhancers: Enhancers,
}

impl HttpApp {
    /// Puts every controller under `prefix`: with `"api"`, `/math/sum` becomes `/api/math/sum`. The health check and
    /// merged routers stay where they are.
    #[must_use]
    pub fn set_global_prefix(mut self, prefix: &str) -> Self {
        prefix.clone_into(&mut self.prefix);
        self
    }

    /// Answers `GET path` with 200 and `{"status":"ok"}` while the application runs, whatever the global prefix.
    ///
    /// A server of messages that no longer serves by itself makes it 503 and `"error"`, a shutdown 503 and
    /// `"shutting_down"`, as NestJS's Terminus has it; each server of messages has its line then:
    /// `{"status":"error","servers":[{"transport":"tcp","status":"failed"}]}`. Everything else goes on being served.
    /// Addresses are not told.
    #[must_use]
    pub fn enable_health_check(mut self, path: &str) -> Self {
        self.health = Some(path.to_owned());
        self
    }

    /// Lets pages of other origins call.
    #[must_use]
    pub fn enable_cors(mut self, options: CorsOptions) -> Self {
        self.cors = Some(options);
        self
    }

    /// Puts stages around all HTTP routes, and around nothing else: inside those of the application. Routers that are
    /// merged and the health check stay outside; pipes are not read.
    ///
    /// ```
    /// use nestrs::prelude::*;
    ///
    /// struct Closed;
    /// impl CanActivate for Closed {
    ///     async fn can_activate(&self, _cx: &ExecutionContext) -> Result<(), TransportError> {
    ///         Err(forbidden())
    ///     }
    /// }
    ///
    /// let http = HttpApp::default().enhance(|http| http.guard(Closed));
    /// # let _ = http;
    /// ```
    #[must_use]
    pub fn enhance(mut self, add: impl FnOnce(Enhancers) -> Enhancers) -> Self {
        self.enhancers = add(self.enhancers);
        self
    }

    /// Adds routes of axum's own beside the controllers. No stage stands around them.
    ///
    /// # Panics
    /// At start-up, when a path is taken twice.
    #[must_use]
    pub fn merge(mut self, router: Router) -> Self {
        self.merged = Some(self.merged.unwrap_or_default().merge(router));
        self
    }
}

/// The router of an application and the list of its routes, for the log.
///
/// # Errors
/// Names the routes that are taken twice.
pub(crate) fn build_router(
    application: &Application,
    http: HttpApp,
    global: &Enhancers,
    servers: &Servers,
) -> Result<(Router, Vec<Explained>), String> {
    let mut mounted = Vec::new();
    for controller in &application.controllers {
        let global = global.clone().around(&http.enhancers).around(&controller.enhancers);
        for route in mount_all(controller.type_id, &controller.scope).map_err(|error| error.to_string())? {
            let enhancers = global.clone().around(&route.enhancers);
            mounted.push(MountedRoute { path: join(&http.prefix, &route.path), enhancers, ..route });
        }
    }

    let mut taken: BTreeMap<String, &'static str> = BTreeMap::new();
    let mut spellings: BTreeMap<String, (String, &'static str)> = BTreeMap::new();
    let mut twice = Vec::new();
    let mut router = Router::new();
    let mut list = Vec::new();
    let health = http.health.map(|path| join("", &path));
    if let Some(path) = &health {
        taken.insert(format!("GET {}", shape(path)), "the health check");
        list.push(Explained::new(format!("GET {path}"), "health check", Chain::default()));
        let servers = servers.clone();
        router = router.route(path, get(move || std::future::ready(health::report(&servers))));
    }
    for route in mounted {
        let address = format!("{} {}", route.method, route.path);
        if let Some(guard) = route.enhancers.guard_for_messages() {
            twice.push(format!(
                "`{address}` is behind `{guard}`, which decides by the payload of messages, and HTTP routes have none: \
                 implement `CanActivate` for it"
            ));
        }
        if let Some(first) = taken.insert(format!("{} {}", route.method, shape(&route.path)), route.handler) {
            twice.push(format!("`{address}` is handled by `{first}` and by `{}`", route.handler));
            continue;
        }
        // The router knows a path by one spelling only, whatever the verb.
        let spelling = spellings.entry(shape(&route.path)).or_insert_with(|| (route.path.clone(), route.handler));
        if spelling.0 != route.path {
            let (path, handler) = spelling;
            twice.push(format!(
                "`{}` of `{}` and `{path}` of `{handler}` differ in names only",
                route.path, route.handler
            ));
            continue;
        }
        // Pipes are for payloads; what an extractor takes is its own affair.
        let stages = route.enhancers.chain().into_iter().filter(|entry| entry.kind != StageKind::Pipe);
        let chain = Chain::new(stages);
        let mut layer = RouteLayer::new(route.method, &route.path, route.handler, route.metadata).within(route.timeout);
        if !chain.is_empty() {
            layer = layer.staged(route.enhancers);
        }
        list.push(Explained::new(address, route.handler, chain));
        router = router.route(&route.path, layer.around(route.router));
    }
    if !twice.is_empty() {
        return Err(twice.join("; "));
    }
    router = router.fallback(nothing_here).method_not_allowed_fallback(wrong_method);
    if let Some(merged) = http.merged {
        router = router.merge(merged.layer(from_fn(finish)));
    }
    router = router.layer(CatchPanicLayer::custom(panicked));
    if let Some(cors) = http.cors {
        router = router.layer(cors.layer());
    }
    Ok((router, list))
}

/// A path without the names of its parameters.
fn shape(path: &str) -> String {
    let segments = path.split('/').map(|segment| match segment.as_bytes() {
        [b'{', b'*', ..] => "{*}",
        [b'{', ..] => "{}",
        _ => segment,
    });
    segments.collect::<Vec<_>>().join("/")
}

async fn nothing_here(request: Request) -> Response {
    error_body(StatusCode::NOT_FOUND, &format!("Cannot {} {}", request.method(), request.uri().path()))
}

async fn wrong_method(request: Request) -> Response {
    error_body(StatusCode::METHOD_NOT_ALLOWED, &format!("Cannot {} {}", request.method(), request.uri().path()))
}

/// The last resort, for merged routers: a controller's route answers for itself.
#[expect(clippy::needless_pass_by_value, reason = "the layer asks for this signature")]
fn panicked(panic: Box<dyn Any + Send>) -> Response {
    static PANICS: LogLimit = LogLimit::per_second(10);
    PANICS.pass(|suppressed| {
        let suppressed = (suppressed > 0).then_some(suppressed);
        tracing::error!(target: "nestrs::http", panic = panic_text(&*panic), suppressed, "HTTP handler panicked");
    });
    error_body(StatusCode::INTERNAL_SERVER_ERROR, INTERNAL_SERVER_ERROR)
}
