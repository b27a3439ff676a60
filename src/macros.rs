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
/// | `guards`, `interceptors`, `pipes`, `filters` | stages around every message and event handler of the services that this module provides, and, but for pipes, around the HTTP routes of the controllers it lists |
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
/// What a wildcard in a pattern means is its transport's business ([`WildcardStyle`](crate::WildcardStyle)). TCP has none,
/// as in NestJS, unless its server is asked for those of NATS; objects have none there. Behind the patterns may stand:
///
/// | option | NestJS's | says |
/// |---|---|---|
/// | `transport = tcp`, `transport = [nats, "own"]` | `Transport.TCP` | which transports serve the handler; without it, all |
/// | `extras = { queue: "workers" }` | `{ queue: 'workers' }` | what the transport is told ([`Extras`](crate::Extras)) |
///
/// `#[micro_routes(contract = Orders)]` serves a trait under `#[contract]`, which has the patterns and types of the
/// handlers.
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
///
///     #[event_pattern("log.>", transport = nats, extras = { queue: "workers" })]
///     async fn on_log(&self, line: String, cx: &ExecutionContext) {
///         tracing::info!(pattern = cx.pattern(), declared = cx.declared_pattern(), "{line}");
///     }
/// }
///
/// #[module(providers = [MathService], microservices = [MathService])]
/// struct AppModule;
/// ```
pub use nestrs_macros::micro_routes;

/// Makes a trait a contract: what two services say to each other, written once. A server's block is checked against it,
/// and a client is generated from it.
///
/// Each method is a request (`#[message_pattern]`) or an event (`#[event_pattern]`) with at most one argument, its
/// payload. `async fn` is answered with one value; `fn … -> impl Stream<Item = T>` with many; an event not at all. Payloads
/// and replies derive both `Serialize` and `Deserialize`. On the wire there is nothing new: NestJS peers send to the
/// same patterns, and are called by them. Of several patterns in a list all are served, and the client sends the first.
///
/// ```
/// use std::sync::Arc;
/// use futures_util::{Stream, stream};
/// use nestrs::prelude::*;
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize, Deserialize)]
/// pub struct CreateOrder { item: String }
/// #[derive(Serialize, Deserialize)]
/// pub struct Order { id: u64, item: String }
///
/// // Usually in a crate that both services depend on.
/// #[contract(client = "ORDERS")]
/// pub trait Orders {
///     /// NestJS peers send `orders.create`.
///     #[message_pattern("orders.create")]
///     async fn create(&self, order: CreateOrder) -> Result<Order, TransportError>;
///
///     #[message_pattern({ cmd: "orders.watch" })]
///     fn watch(&self, id: u64) -> impl Stream<Item = String> + Send;
///
///     #[event_pattern("orders.paid")]
///     async fn paid(&self, id: u64);
/// }
///
/// // The server: every method of the block is a handler of the contract.
/// #[injectable]
/// struct OrdersService;
///
/// #[micro_routes(contract = Orders)]
/// impl OrdersService {
///     async fn create(&self, order: CreateOrder, deadline: Deadline) -> Result<Order, TransportError> {
///         tracing::debug!(?deadline, "creating");
///         Ok(Order { id: 1, item: order.item })
///     }
///
///     fn watch(&self, id: u64) -> impl Stream<Item = String> + use<> {
///         stream::iter([format!("{id} packed"), format!("{id} sent")])
///     }
///
///     async fn paid(&self, id: u64) {
///         tracing::info!(id, "paid");
///     }
/// }
///
/// // The caller: `OrdersClient` is generated.
/// #[injectable]
/// struct Gateway {
///     orders: Arc<OrdersClient>,
/// }
///
/// impl Gateway {
///     async fn buy(&self, item: &str) -> Result<Order, TransportError> {
///         let order = self.orders.create(CreateOrder { item: item.to_owned() }).await?;
///         self.orders.paid(order.id).await?;
///         Ok(order)
///     }
/// }
///
/// #[module(
///     imports = [ClientsModule::register(&[ClientConfig::tcp("ORDERS", TcpTransportOptions::to("127.0.0.1:3001"))])],
///     providers = [OrdersClient, Gateway],
/// )]
/// struct GatewayModule;
/// # use nestrs::microservices::{ClientConfig, TcpTransportOptions};
/// ```
///
/// # Serving it
/// `#[micro_routes(contract = Orders)]` stands on an inherent block, not on `impl Orders for OrdersService`: a trait would
/// fix the arguments, and handlers want to know more than their payload. As in any block, what follows the payload or is
/// marked `#[ctx]` comes from the context ([`FromContext`](crate::FromContext)), stages stand on the block and on its
/// methods, and a handler that never waits need not be `async`. The payload and the return type are the contract's,
/// error included; handlers of events return what they like. A method that is missing, too much, or of another type is a
/// compile error that says so. A service may serve several contracts, and have handlers of its own, each in a block.
///
/// # Calling it
/// `OrdersClient` has an `async` method per method of the contract, which returns a `Result` with a
/// [`TransportError`](crate::TransportError):
///
/// | in the contract | of the client |
/// |---|---|
/// | `async fn create(&self, order: A) -> B` | `async fn create(&self, order: A) -> Result<B, TransportError>` |
/// | `async fn create(&self, order: A) -> Result<B, E>` | the same |
/// | `fn watch(&self, id: A) -> impl Stream<Item = B>` | `async fn watch(&self, id: A) -> Result<ReplyItems<B>, TransportError>` |
/// | `async fn paid(&self, id: A)`, an event | `async fn paid(&self, id: A) -> Result<(), TransportError>` |
///
/// Whatever `E` is, a caller gets the `TransportError`: a call can fail in ways that no `E` knows of, and it must be told
/// whether the server has said no or has not said anything ([`TransportError::kind`](crate::TransportError::kind)). What
/// the server said is in `message` and `details`, unchanged. An `E` that implements `From<TransportError>` is had by `?`.
///
/// A call without an argument sends `null`, as `client.send(pattern, &())` does. Timeouts and metadata are set per call,
/// `orders.with_timeout(..).create(..)`, and clients are registered and provided as
/// [`ContractClient`](crate::microservices::ContractClient) tells.
///
/// # In tests
/// A fake is a service: a block that serves the contract, behind a [`memory_pair`](crate::microservices::memory_pair)
/// (feature `test-util`), is held to the same types as the real one, over the same bytes. For single answers,
/// `OrdersClient::new(ClientProxy::new(..))` takes any [`Transport`](crate::microservices::Transport).
#[cfg(feature = "microservices")]
pub use nestrs_macros::contract;

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

/// Ends a message handler with its caller's connection: the future is dropped at the `.await` where it is. For work that is
/// of use to nobody else, such as a search.
///
/// Without it a handler runs to its end when its caller is gone, as in NestJS, and its answer is discarded: a future that
/// is dropped half-way may leave work half-done. Either way [`Cancellation`](crate::microservices::Cancellation) tells
/// handlers that want to know. A handler of events cannot be marked: emitters do not wait. A message handler that is sent
/// an event runs to its end, too. An HTTP route ends with its caller as it is.
///
/// ```
/// use nestrs::prelude::*;
///
/// #[injectable]
/// struct Search;
///
/// #[micro_routes]
/// impl Search {
///     #[message_pattern("search")]
///     #[cancel_on_disconnect]
///     async fn search(&self, words: String) -> Vec<String> {
///         Vec::new()
///     }
/// }
///
/// #[module(providers = [Search], microservices = [Search])]
/// struct SearchModule;
/// ```
pub use nestrs_macros::cancel_on_disconnect;

/// Lets a handler of messages or events go on when its deadline has passed, its caller's or its own
/// ([`handler_timeout`](macro@crate::handler_timeout)). The caller is answered with "Request timed out" in time; the
/// handler goes on, whatever becomes of the caller, and counts as a call under way until it ends. Only the end of the grace
/// period at shutdown ends it.
///
/// What it calls by a `ClientProxy` does not inherit its deadline. A handler that answers by a stream cannot be marked, and
/// neither can an HTTP route, which ends with its connection.
///
/// ```
/// use nestrs::prelude::*;
///
/// #[injectable]
/// struct Billing;
///
/// #[micro_routes]
/// impl Billing {
///     #[message_pattern("billing.charge")]
///     #[run_to_completion]
///     async fn charge(&self, cents: u64) -> u64 {
///         // Two writes that belong together.
///         cents
///     }
/// }
///
/// #[module(providers = [Billing], microservices = [Billing])]
/// struct BillingModule;
/// ```
pub use nestrs_macros::run_to_completion;

/// Says how long a handler of messages or events, or an HTTP route, may take: `"500ms"`, `"5s"`, `"2m"`, `"1h"`, or a
/// constant of the type [`Duration`](std::time::Duration). What one writes as a timeout interceptor in NestJS.
///
/// It counts from the start of the handler and its stages, and comes in place of its server's
/// [`handler_timeout`](crate::microservices::TcpMicroserviceOptions::handler_timeout); a deadline that the caller has set
/// and that is earlier still holds. Then the handler is dropped, unless it is marked
/// [`run_to_completion`](macro@crate::run_to_completion), and the caller reads "Request timed out", over HTTP with status
/// 504. For an event it is a failure, logged as such. A stream of replies ends there too.
///
/// Handlers see it as [`ExecutionContext::deadline`](crate::ExecutionContext::deadline); what they call inherits what is
/// left ([`current_deadline`](crate::microservices::current_deadline)).
///
/// ```
/// use std::time::Duration;
/// use nestrs::prelude::*;
///
/// const LONG: Duration = Duration::from_secs(600);
///
/// #[injectable]
/// struct Reports;
///
/// #[micro_routes]
/// impl Reports {
///     #[message_pattern("reports.find")]
///     #[handler_timeout("500ms")]
///     async fn find(&self, id: u64) -> Option<String> {
///         None
///     }
///
///     #[message_pattern("reports.make")]
///     #[handler_timeout(LONG)]
///     async fn make(&self) {}
/// }
///
/// #[module(providers = [Reports], microservices = [Reports])]
/// struct ReportsModule;
/// ```
pub use nestrs_macros::handler_timeout;

#[doc(no_inline)]
pub use nestrs_macros::{
    event_pattern, message_pattern, on_event, set_metadata, use_filters, use_guards, use_interceptors,
    use_micro_guards, use_micro_interceptors, use_micro_pipes, use_pipes,
};

#[cfg(feature = "http")]
#[doc(no_inline)]
pub use nestrs_macros::{delete, get, head, options, patch, post, put};
