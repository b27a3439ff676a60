//! From a `#[controller]` block to axum's routes.

use std::any::TypeId;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::handler::Handler;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodFilter, MethodRouter, on};
use nestrs_core::__private::linkme::distributed_slice;
use nestrs_core::{
    BoxFuture, EnhancerSpecs, Enhancers, ExecutionContext, HandlerMetadata, HttpEnhancers, ResolveError, Scope,
};

use super::layer;
use super::reply::failed;

/// The verb of a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// `#[get]`, which answers HEAD too.
    Get,
    /// `#[post]`
    Post,
    /// `#[put]`
    Put,
    /// `#[patch]`
    Patch,
    /// `#[delete]`
    Delete,
    /// `#[head]`
    Head,
    /// `#[options]`
    Options,
}

impl Method {
    fn filter(self) -> MethodFilter {
        match self {
            Self::Get => MethodFilter::GET,
            Self::Post => MethodFilter::POST,
            Self::Put => MethodFilter::PUT,
            Self::Patch => MethodFilter::PATCH,
            Self::Delete => MethodFilter::DELETE,
            Self::Head => MethodFilter::HEAD,
            Self::Options => MethodFilter::OPTIONS,
        }
    }
}

impl Method {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
            Self::Head => "HEAD",
            Self::Options => "OPTIONS",
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One handler for one verb.
pub fn route<H, T>(method: Method, handler: H) -> MethodRouter
where
    H: Handler<T, ()>,
    T: 'static,
{
    on(method.filter(), handler)
}

/// Extracts an argument that is not the last, from everything but the body; or gives the response with which the
/// extractor refuses the request.
///
/// Boxed, as is [`extract`], so that a type that is no extractor is one error rather than one for each future around it.
pub fn extract_part<T: FromRequestParts<()>>(request: &mut Request) -> BoxFuture<'_, Result<T, Response>> {
    Box::pin(async move {
        let (mut parts, body) = std::mem::take(request).into_parts();
        let extracted = T::from_request_parts(&mut parts, &()).await;
        *request = Request::from_parts(parts, body);
        extracted.map_err(IntoResponse::into_response)
    })
}

/// Extracts the last argument, which may be the body.
pub fn extract<T: FromRequest<(), M>, M>(request: Request) -> BoxFuture<'static, Result<T, Response>> {
    Box::pin(async move { T::from_request(request, &()).await.map_err(IntoResponse::into_response) })
}

/// Where the service of a route comes from.
pub enum ServiceSource<S> {
    /// A singleton.
    Shared(Arc<S>),
    /// Request-scoped: built for each request.
    PerCall(Scope),
}

impl<S> Clone for ServiceSource<S> {
    fn clone(&self) -> Self {
        match self {
            Self::Shared(service) => Self::Shared(Arc::clone(service)),
            Self::PerCall(scope) => Self::PerCall(scope.clone()),
        }
    }
}

impl<S: Send + Sync + 'static> ServiceSource<S> {
    /// Boot has found a provider of every listed controller.
    fn find(scope: &Scope) -> Self {
        scope.get().map_or_else(|| Self::PerCall(scope.clone()), Self::Shared)
    }
}

impl<S> fmt::Debug for ServiceSource<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Shared(_) => "Shared",
            Self::PerCall(_) => "PerCall",
        })
    }
}

/// The service for one request, and the context that it may live on.
///
/// # Errors
/// The response of a request whose service cannot be built.
#[expect(clippy::result_large_err, reason = "the response leaves as it is")]
pub fn service<S: Send + Sync + 'static>(
    source: &ServiceSource<S>,
    request: &mut Request,
) -> Result<(Arc<S>, Option<ExecutionContext>), Response> {
    match source {
        ServiceSource::Shared(service) => Ok((Arc::clone(service), None)),
        ServiceSource::PerCall(scope) => {
            let cx = layer::context_of(request);
            match scope.per_call(&cx) {
                Ok(service) => Ok((service, Some(cx))),
                Err(error) => Err(failed(error.into())),
            }
        }
    }
}

/// The routes of one `#[controller]` block, implemented by a marker type that the macro makes for it.
pub trait HttpRoutes {
    /// The type whose methods the handlers are.
    type Service: Send + Sync + 'static;
    /// What every path begins with; empty or with a leading slash.
    const PREFIX: &'static str;
    /// One row per handler.
    const ROUTES: &'static [RouteDef<Self::Service>];
}

/// One HTTP handler as its macro wrote it.
pub struct RouteDef<S> {
    method: Method,
    path: &'static str,
    name: &'static str,
    mount: fn(ServiceSource<S>) -> MethodRouter,
    enhanced: Option<fn() -> EnhancerSpecs>,
    metadata: Option<fn() -> HandlerMetadata>,
    timeout: Option<Duration>,
}

impl<S> RouteDef<S> {
    /// A row for a handler named `Type::method`.
    #[must_use]
    pub const fn new(
        method: Method,
        path: &'static str,
        name: &'static str,
        mount: fn(ServiceSource<S>) -> MethodRouter,
    ) -> Self {
        Self { method, path, name, mount, enhanced: None, metadata: None, timeout: None }
    }

    /// Adds the stages written on it and on its block, from outside in.
    #[must_use]
    pub const fn enhanced(mut self, enhanced: fn() -> EnhancerSpecs) -> Self {
        self.enhanced = Some(enhanced);
        self
    }

    /// Adds what `#[set_metadata]` says of it and of its block.
    #[must_use]
    pub const fn metadata(mut self, metadata: fn() -> HandlerMetadata) -> Self {
        self.metadata = Some(metadata);
        self
    }

    /// Says how long it may take.
    #[must_use]
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }
}

impl<S> fmt::Debug for RouteDef<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} → {}", self.method, self.path, self.name)
    }
}

/// The routes of one block with their service erased; what linkme collects.
#[derive(Clone, Copy)]
pub struct RouteSet {
    type_id: fn() -> TypeId,
    mount: fn(&Scope) -> Result<Vec<MountedRoute>, ResolveError>,
    enhancers: fn() -> Vec<HttpEnhancers>,
}

impl RouteSet {
    /// The set that the block marker `B` describes.
    #[must_use]
    pub const fn of<B: HttpRoutes>() -> Self {
        Self { type_id: TypeId::of::<B::Service>, mount: mount::<B>, enhancers: enhancers::<B> }
    }
}

impl fmt::Debug for RouteSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RouteSet")
    }
}

/// Every `#[controller]` block of every linked crate.
#[distributed_slice]
#[linkme(crate = nestrs_core::__private::linkme)]
pub static ROUTES: [RouteSet];

/// A route with its service in it.
#[derive(Debug)]
pub(super) struct MountedRoute {
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) handler: &'static str,
    pub(super) router: MethodRouter,
    /// Those written on it and on its block.
    pub(super) enhancers: Enhancers,
    pub(super) metadata: Option<Arc<HandlerMetadata>>,
    pub(super) timeout: Option<Duration>,
}

fn mount<B: HttpRoutes>(scope: &Scope) -> Result<Vec<MountedRoute>, ResolveError> {
    let service = ServiceSource::find(scope);
    let mounted = B::ROUTES.iter().map(|route| {
        Ok(MountedRoute {
            method: route.method,
            path: join(B::PREFIX, route.path),
            handler: route.name,
            router: (route.mount)(service.clone()),
            enhancers: match route.enhanced {
                Some(enhanced) => scope.build_enhancers(&enhanced())?,
                None => Enhancers::default(),
            },
            metadata: route.metadata.map(|metadata| Arc::new(metadata())),
            timeout: route.timeout,
        })
    });
    mounted.collect()
}

fn enhancers<B: HttpRoutes>() -> Vec<HttpEnhancers> {
    B::ROUTES.iter().filter_map(|route| Some((route.name, route.enhanced?()))).collect()
}

fn sets(service: TypeId) -> impl Iterator<Item = &'static RouteSet> {
    ROUTES.iter().filter(move |set| (set.type_id)() == service)
}

/// The routes of one type.
pub(super) fn mount_all(service: TypeId, scope: &Scope) -> Result<Vec<MountedRoute>, ResolveError> {
    let mut routes = Vec::new();
    for set in sets(service) {
        routes.extend((set.mount)(scope)?);
    }
    Ok(routes)
}

/// The stages of the routes of one type, by handler.
pub(crate) fn enhancers_of(service: TypeId) -> Vec<HttpEnhancers> {
    sets(service).flat_map(|set| (set.enhancers)()).collect()
}

/// Whether a type has any.
pub(crate) fn has_routes(service: TypeId) -> bool {
    sets(service).next().is_some()
}

/// `/math` and `/sum` as `/math/sum`; never empty, and no slash at the end or twice.
pub(super) fn join(prefix: &str, path: &str) -> String {
    let mut joined = String::new();
    for segment in prefix.split('/').chain(path.split('/')).filter(|segment| !segment.is_empty()) {
        joined.push('/');
        joined.push_str(segment);
    }
    if joined.is_empty() { "/".to_owned() } else { joined }
}

#[cfg(test)]
mod tests {
    use super::join;

    #[test]
    fn paths_are_joined_with_one_slash() {
        let check = |prefix: &str, path: &str, joined: &str| assert_eq!(join(prefix, path), joined);
        check("/math", "/sum", "/math/sum");
        check("api", "math/", "/api/math");
        check("", "", "/");
        check("/", "/", "/");
        check("/api/", "/{id}", "/api/{id}");
    }
}
