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
/// A pattern is a string, a number, an object (`{ cmd: "sum" }`), a list of these, or a `const &str`. A handler returns
/// anything that implements `Serialize`, `()` for no value, a `Result` whose error converts into
/// [`TransportError`](crate::TransportError), or a `Stream` for many values.
///
/// # Arguments
///
/// The first argument of which nothing else is said is the payload; each later one comes from the context.
///
/// | argument | what it is | NestJS |
/// |---|---|---|
/// | `order: Order` | the payload, decoded by `Deserialize` | `@Payload()` |
/// | `#[payload] order: Order` | the same, where it stands second or beside properties | `@Payload()` |
/// | `#[payload("id")] id: u32` | one property of the payload (no path: `"a.b"` is a name with a dot); missing or `null`, an `Option` is `None` | `@Payload('id')` |
/// | `payload: Payload` | the payload as it is, not yet decoded | |
/// | `cx: &ExecutionContext` | the call: its pattern, payload, metadata, deadline, extensions | `@Ctx()` |
/// | `metadata: &Metadata`, or owned | all strings beside the payload | `getMetadata()` |
/// | `#[header("x-version")] version: String` | one of them, as anything that implements `FromStr`, or as an `Option` of it | |
/// | `Extension(user): Extension<User>` | what a guard left in the [extensions](crate::Extensions) | `request.user` |
/// | `CalledPattern(route): CalledPattern` | the route that was called ([`CalledPattern`](crate::CalledPattern)) | `getPattern()` |
/// | `Deadline(end): Deadline` | when the caller stops waiting, if it said so ([`Deadline`](crate::Deadline)) | |
/// | `peer: Peer`, `connection: ConnectionContext` | the caller's address, and its connection (`nestrs::microservices`) | `getSocketRef()` |
/// | `cancellation: Cancellation` | tells when nobody waits any more (`nestrs::microservices`) | |
/// | `#[inject] repo: Arc<Repo>` | a provider, checked at boot as a field is; or `Option<Arc<Repo>>`, or `#[inject("NAME")]` | |
/// | `#[ctx] tenant: Tenant` | anything that implements [`FromContext`](crate::FromContext); `#[ctx]` is only needed in first place | `createParamDecorator` |
///
/// What does not fit is the call's answer, of the kind [`InvalidPayload`](crate::ErrorKind::InvalidPayload); it names
/// the path (`lines[2].price`) or the header, and never repeats a value. The handler does not run.
///
/// # Pipes of an argument
///
/// `#[pipe(First, Second)]` on an argument runs typed pipes ([`ArgumentPipe`](crate::ArgumentPipe)) on what was decoded,
/// after the route's interceptors, guards and JSON pipes. A type is built once per module, with its dependencies if it is
/// `#[injectable]`; an expression such as `DefaultValuePipe(20)` is evaluated for each call. They work on payloads,
/// properties, headers and arguments from the context.
///
/// Most of NestJS's own pipes are types in Rust, and need no pipe at all:
///
/// | NestJS | here |
/// |---|---|
/// | `ParseIntPipe`, `ParseFloatPipe`, `ParseBoolPipe` | `u32`, `f64`, `bool`; in HTTP paths and queries `Path<u32>`, `Query<Page>`. Where a peer sends `"42"` for a number: [`ParseIntPipe`](crate::ParseIntPipe), [`ParseFloatPipe`](crate::ParseFloatPipe), [`ParseBoolPipe`](crate::ParseBoolPipe), or [`Lenient<u32>`](crate::Lenient) in a struct |
/// | `ParseArrayPipe` | `Vec<T>`; for `"a,b"` [`ParseArrayPipe`](crate::ParseArrayPipe) |
/// | `ParseDatePipe` | the type of a calendar crate; into a `SystemTime` [`ParseDatePipe`](crate::ParseDatePipe) |
/// | `ParseUUIDPipe` | `uuid::Uuid`, with that crate's feature `serde` |
/// | `ParseEnumPipe` | an enum that derives `Deserialize` |
/// | `DefaultValuePipe` | `Option<T>`, `#[serde(default)]`, or [`DefaultValuePipe`](crate::DefaultValuePipe) |
/// | `ValidationPipe` | `Valid<T>`, or `#[pipe(ValidationPipe)]`: feature `validation` |
/// | `ParseFilePipe` | none: messages have no files |
///
/// ```
/// use std::sync::Arc;
/// use nestrs::prelude::*;
///
/// #[injectable]
/// struct Orders;
///
/// #[injectable]
/// struct Repo;
///
/// /// What a guard found out about the caller.
/// #[derive(Clone)]
/// struct User(String);
///
/// #[micro_routes]
/// impl Orders {
///     #[message_pattern("orders.list")]
///     async fn list(
///         &self,
///         #[payload("customer")] customer: String,
///         #[payload("limit")]
///         #[pipe(ParseIntPipe, DefaultValuePipe(20))]
///         limit: u32,
///         #[header("x-version")] version: Option<u8>,
///         user: Option<Extension<User>>,
///         #[inject] repo: Arc<Repo>,
///     ) -> Vec<u32> {
///         Vec::new()
///     }
/// }
///
/// #[module(providers = [Orders, Repo], microservices = [Orders])]
/// struct OrdersModule;
/// ```
///
/// # Example
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
