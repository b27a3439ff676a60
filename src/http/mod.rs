//! The HTTP half: controllers on axum, and what stands around them.

mod address;
mod app;
mod cors;
mod health;
mod layer;
mod refusal;
mod reply;
mod route;

pub use address::HttpAddress;
pub use app::HttpApp;
pub(crate) use app::build_router;
pub use cors::CorsOptions;
pub use layer::Ctx;
#[cfg_attr(not(feature = "validation"), expect(unused_imports, reason = "bodies are validated with that feature"))]
pub(crate) use reply::failed;
pub use reply::{
    AxumError, AxumJsonKind, AxumKind, AxumResponse, CallError, CallErrorKind, EmptyResponse, ErrorOf,
    FallibleResponse, FallibleResponseKind, JsonAndStatus, JsonKind, JsonResponse, PlainResponse, PlainResponseKind,
    ResponseOf, ResponseOutcomeOf, status_of,
};
pub use route::{HttpRoutes, Method, ROUTES, RouteDef, RouteSet, ServiceSource, extract, extract_part, route, service};
pub(crate) use route::{enhancers_of, has_routes};

pub use axum::extract::Request;
pub use axum::response::Response;
pub use axum::routing::MethodRouter;
