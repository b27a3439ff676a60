//! The macros, documented where their examples compile.

/// Makes a struct a provider that the container builds.
///
/// `Arc<T>` fields are injected by type, `Option<Arc<T>>` where a provider may be missing, `#[inject("NAME")]` fields by
/// name; any other field takes its type's `Default`. What can be none of these is a compile error.
///
/// Life-cycle hooks that the struct implements ([`OnModuleInit`](crate::OnModuleInit) and the others) are found and run,
/// unless it has type parameters.
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
/// `#[on_event]` alone takes the name from the type of the method's argument, which is an [`#[event]`](event).
/// `#[on_event("user.*")]` gives a name, a wildcard, an object, a `const &str` such as `UserCreated::NAME`, or a list of
/// these, of which a method gets an event once however many fit. `*` is one segment between dots, `**` any number.
///
/// Arguments, stages and return values are those of [`#[micro_routes]`](micro_routes); what is returned is nobody's, but
/// an error is logged, counted and reported to the publisher. A payload may be taken as `Arc<T>`, which is shared with
/// other subscribers and not cloned.
///
/// ```
/// use std::sync::Arc;
/// use nestrs::prelude::*;
/// use serde::{Deserialize, Serialize};
///
/// #[event("user.created")]
/// #[derive(Clone, Serialize, Deserialize)]
/// struct UserCreated {
///     id: u64,
/// }
///
/// #[injectable]
/// struct Audit;
///
/// #[event_routes]
/// impl Audit {
///     #[on_event]
///     async fn created(&self, event: UserCreated) {
///         tracing::info!(event.id, "created");
///     }
///
///     #[on_event]
///     async fn shared(&self, event: Arc<UserCreated>) -> Result<(), TransportError> {
///         if event.id == 0 { Err(TransportError::new("users have an id")) } else { Ok(()) }
///     }
///
///     #[on_event("user.*")]
///     async fn any(&self, payload: serde_json::Value, cx: &ExecutionContext) {
///         tracing::info!("{}: {payload}", cx.pattern());
///     }
/// }
/// ```
pub use nestrs_macros::event_routes;

/// Names the event that a struct or an enum is, by implementing [`BusEvent`](crate::BusEvent) for it.
///
/// The type is `Clone`, `Serialize` and `Deserialize`. A wildcard or an empty segment in the name is a compile error.
/// (`tracing` has a macro of the same name: where that is imported, write `#[nestrs::event(…)]`.)
///
/// ```
/// use nestrs::prelude::*;
/// use serde::{Deserialize, Serialize};
///
/// #[event("order.created")]
/// #[derive(Clone, Serialize, Deserialize)]
/// struct OrderCreated {
///     id: u64,
/// }
///
/// assert_eq!(OrderCreated::NAME, "order.created");
/// ```
pub use nestrs_macros::event;

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
