//! The macros, documented where their examples compile.

/// Makes a struct a provider that the container builds.
///
/// `Arc<T>` fields are injected by type, `Option<Arc<T>>` where a provider may be missing, `#[inject("NAME")]` fields by
/// name; any other field takes its type's `Default`. What can be none of these is a compile error.
///
/// Life-cycle hooks that the struct implements ([`OnModuleInit`](crate::OnModuleInit) and the others) are found and run,
/// unless it has type parameters.
///
/// There is one instance, unless `scope` says otherwise: with `#[injectable(scope = transient)]` each consumer has its
/// own, with `#[injectable(scope = request)]` each call has ([`ProviderScope`](crate::ProviderScope)).
///
/// `#[injectable(metadata = Every(60))]` leaves a value for [`DiscoveryService`](crate::DiscoveryService) to find it by;
/// several may stand side by side. A comma between angle brackets needs parentheses around the expression.
///
/// ```
/// use std::sync::Arc;
/// use std::sync::atomic::AtomicU64;
/// use nestrs::prelude::*;
///
/// #[injectable]
/// struct Clock;
///
/// #[injectable]
/// struct Orders {
///     clock: Arc<Clock>,
///     bus: Arc<EventBus>,
///     audit: Option<Arc<String>>,
///     #[inject("WORKERS")]
///     workers: usize,
///     created: AtomicU64,
/// }
/// ```
pub use nestrs_macros::injectable;

/// Makes a struct a module. A bare `#[module]` is a whole, empty module.
///
/// | argument | items |
/// |---|---|
/// | `imports` | module types, and expressions of type [`DynamicModule`](crate::DynamicModule) |
/// | `providers` | `#[injectable]` types, `Type as dyn Trait`, and expressions of type [`Provider`](crate::Provider) |
/// | `controllers` | `#[injectable]` types with `#[controller]` or `#[micro_routes]` blocks |
/// | `microservices` | providers with `#[micro_routes]` blocks |
/// | `exports` | provider types, imported module types, and names |
/// | `global` | what it exports is visible everywhere |
///
/// ```
/// use nestrs::prelude::*;
///
/// trait Repo: Send + Sync {}
/// #[injectable]
/// struct PgRepo;
/// impl Repo for PgRepo {}
///
/// #[module(providers = [PgRepo as dyn Repo, Provider::value(8_usize).named("WORKERS")], exports = [dyn Repo, "WORKERS"])]
/// struct DbModule;
///
/// #[module(imports = [DbModule])]
/// struct AppModule;
/// ```
pub use nestrs_macros::module;

/// Serves the methods of an impl block: requests by `#[message_pattern]`, events by `#[event_pattern]`.
///
/// A pattern is a string, a number, an object (`{ cmd: "sum" }`), a list of these, or a `const &str`. A handler takes
/// its payload first, anything that implements `Deserialize`, or none; later arguments, and those marked `#[ctx]`, come
/// from the context ([`FromContext`](crate::FromContext)). It returns anything that implements `Serialize`, `()` for
/// no value, a `Result` whose error converts into [`TransportError`](crate::TransportError), or a `Stream` for many
/// values.
///
/// ```
/// use nestrs::prelude::*;
///
/// #[injectable]
/// struct MathService;
///
/// #[micro_routes]
/// impl MathService {
///     #[message_pattern({ cmd: "sum" })]
///     async fn sum(&self, numbers: Vec<i64>) -> i64 {
///         numbers.iter().sum()
///     }
///
///     #[event_pattern("user.created")]
///     async fn on_user_created(&self, user: serde_json::Value, cx: &ExecutionContext) {
///         tracing::info!(pattern = cx.pattern(), "{user}");
///     }
/// }
///
/// #[module(providers = [MathService], microservices = [MathService])]
/// struct AppModule;
/// ```
pub use nestrs_macros::micro_routes;

/// Subscribes the methods of an impl block to the in-process [`EventBus`](crate::EventBus), by `#[on_event]`.
///
/// ```
/// use nestrs::prelude::*;
///
/// #[injectable]
/// struct Audit;
///
/// #[event_routes]
/// impl Audit {
///     #[on_event("user.created")]
///     async fn log(&self, payload: serde_json::Value) {
///         tracing::info!("{payload}");
///     }
/// }
/// ```
pub use nestrs_macros::event_routes;

/// A [`Pattern`](crate::Pattern) checked at compile time: `pattern!({ cmd: "sum" })`.
///
/// ```
/// assert_eq!(nestrs::pattern!({ b: 1, a: "x" }).route(), r#"{"a":"x","b":1}"#);
/// ```
pub use nestrs_macros::pattern;

/// Serves the methods of an impl block over HTTP: `#[get]`, `#[post]`, `#[put]`, `#[patch]`, `#[delete]`.
///
/// Arguments are axum's extractors. A method returns anything axum converts, or anything that implements `Serialize`,
/// which becomes JSON; its error is axum's, or one that converts into [`TransportError`](crate::TransportError), whose
/// status [`status_of`](crate::status_of) tells.
///
/// ```
/// use nestrs::axum::extract::Path;
/// use nestrs::prelude::*;
///
/// #[injectable]
/// struct Greetings;
///
/// #[controller("/greetings")]
/// impl Greetings {
///     #[get("/{name}")]
///     async fn greet(&self, Path(name): Path<String>) -> String {
///         format!("Hello, {name}!")
///     }
/// }
///
/// #[module(controllers = [Greetings])]
/// struct AppModule;
/// ```
#[cfg(feature = "http")]
pub use nestrs_macros::controller;

#[doc(no_inline)]
pub use nestrs_macros::{
    event_pattern, message_pattern, on_event, use_micro_guards, use_micro_interceptors, use_micro_pipes,
};

#[cfg(feature = "http")]
#[doc(no_inline)]
pub use nestrs_macros::{delete, get, head, options, patch, post, put};
