/// What is said of orders.
#[cfg(feature = "orders")]
///
///A contract: `#[micro_routes(contract = Orders)]` serves it, [`OrdersClient`] calls it. Its methods are not called themselves.
#[allow(async_fn_in_trait, dead_code, reason = "nobody calls the methods of a contract")]
pub trait Orders: ::nestrs::__private::ContractBlock {
    /// Creates one.
    ///
    ///Message `"orders.create"`, `{ cmd: "create" }`.
    async fn create(&self, order: CreateOrder) -> Result<Order, OrderError>;
    #[cfg(unix)]
    ///
    ///Message `COUNT`.
    async fn count(&self) -> u64;
    ///
    ///Message `{ cmd: "watch" }`.
    fn watch(&self, _: u64) -> impl Stream<Item = Result<Status, OrderError>> + Send;
    #[deprecated]
    ///
    ///Event `"orders.paid"`. A handler returns what it likes.
    async fn r#where(&self, event: OrderPaid) -> impl ::core::marker::Sized;
    #[doc(hidden)]
    const CONTRACT: &'static [::nestrs::__private::ContractMethod] = {
        use ::nestrs::__private as __nest;
        &[
            __nest::ContractMethod {
                name: "create",
                kind: __nest::HandlerKind::Message,
                patterns: &[
                    __nest::PatternLiteral::Text("orders.create"),
                    __nest::PatternLiteral::Object(
                        &[("cmd", __nest::PatternLiteral::Text("create"))],
                    ),
                ],
            },
            #[cfg(unix)]
            __nest::ContractMethod {
                name: "count",
                kind: __nest::HandlerKind::Message,
                patterns: &[__nest::PatternLiteral::Text(COUNT)],
            },
            __nest::ContractMethod {
                name: "watch",
                kind: __nest::HandlerKind::Message,
                patterns: &[
                    __nest::PatternLiteral::Object(
                        &[("cmd", __nest::PatternLiteral::Text("watch"))],
                    ),
                ],
            },
            __nest::ContractMethod {
                name: "where",
                kind: __nest::HandlerKind::Event,
                patterns: &[__nest::PatternLiteral::Text("orders.paid")],
            },
        ]
    };
}
#[cfg(feature = "orders")]
///Calls the contract [`Orders`] over a `ClientProxy`. Clones share its connection.
///
///As a provider it takes the client registered as `ORDERS`.
#[derive(::core::clone::Clone, ::core::fmt::Debug)]
#[allow(dead_code, reason = "a server has no use for it")]
pub struct OrdersClient {
    proxy: ::nestrs::__private::client::ClientProxy,
}
#[cfg(feature = "orders")]
#[allow(deprecated, reason = "generated code names what its item has")]
const _: () = {
    use ::nestrs::__private as __nest;
    impl OrdersClient {
        /// A client whose calls go over `proxy`.
        #[must_use]
        #[allow(dead_code, reason = "most clients are made by the container")]
        pub fn new(proxy: __nest::client::ClientProxy) -> Self {
            Self { proxy }
        }
        /// Creates one.
        ///
        ///Sends `"orders.create"` and waits for the answer.
        ///
        ///# Errors
        ///As `ClientProxy::send`.
        #[allow(dead_code, reason = "a contract has what any of its clients calls")]
        pub async fn create(
            &self,
            order: CreateOrder,
        ) -> ::core::result::Result<Order, __nest::TransportError> {
            static __PATTERN: __nest::LiteralPattern = __nest::LiteralPattern::new(
                __nest::PatternLiteral::Text("orders.create"),
            );
            __nest::client::send::<CreateOrder, Order>(self, &__PATTERN, order).await
        }
        #[cfg(unix)]
        ///Sends `COUNT` and waits for the answer.
        ///
        ///# Errors
        ///As `ClientProxy::send`.
        #[allow(dead_code, reason = "a contract has what any of its clients calls")]
        pub async fn count(
            &self,
        ) -> ::core::result::Result<u64, __nest::TransportError> {
            static __PATTERN: __nest::LiteralPattern = __nest::LiteralPattern::new(
                __nest::PatternLiteral::Text(COUNT),
            );
            __nest::client::send::<(), u64>(self, &__PATTERN, ()).await
        }
        ///Sends `{ cmd: "watch" }`; answered by any number of values.
        ///
        ///# Errors
        ///As `ClientProxy::send_stream`.
        #[allow(dead_code, reason = "a contract has what any of its clients calls")]
        pub async fn watch(
            &self,
            payload: u64,
        ) -> ::core::result::Result<
            __nest::client::ReplyItems<Status>,
            __nest::TransportError,
        > {
            static __PATTERN: __nest::LiteralPattern = __nest::LiteralPattern::new(
                __nest::PatternLiteral::Object(
                    &[("cmd", __nest::PatternLiteral::Text("watch"))],
                ),
            );
            __nest::client::send_stream::<u64, Status>(self, &__PATTERN, payload).await
        }
        #[deprecated]
        ///Emits the event `"orders.paid"`.
        ///
        ///# Errors
        ///As `ClientProxy::emit`.
        #[allow(dead_code, reason = "a contract has what any of its clients calls")]
        pub async fn r#where(
            &self,
            event: OrderPaid,
        ) -> ::core::result::Result<(), __nest::TransportError> {
            static __PATTERN: __nest::LiteralPattern = __nest::LiteralPattern::new(
                __nest::PatternLiteral::Text("orders.paid"),
            );
            __nest::client::emit::<OrderPaid>(self, &__PATTERN, event).await
        }
    }
    #[automatically_derived]
    impl __nest::client::ContractClient for OrdersClient {
        const CLIENT: ::core::option::Option<&'static str> = ::core::option::Option::Some(
            "ORDERS",
        );
        fn proxy(&self) -> &__nest::client::ClientProxy {
            &self.proxy
        }
    }
    #[automatically_derived]
    impl ::core::convert::From<__nest::client::ClientProxy> for OrdersClient {
        fn from(proxy: __nest::client::ClientProxy) -> Self {
            Self { proxy }
        }
    }
    #[automatically_derived]
    impl __nest::Injectable for OrdersClient {
        fn dependencies() -> ::std::vec::Vec<__nest::Dependency> {
            __nest::client::dependencies::<Self>()
        }
        fn construct(
            resolver: &__nest::Resolver<'_>,
        ) -> ::core::result::Result<Self, __nest::ResolveError> {
            __nest::client::construct(resolver)
        }
    }
    #[cfg(unix)]
    const _: () = {
        #[allow(unused_imports, reason = "it is used where the type is no `Result`")]
        use __nest::NoResult as _;
        ::core::assert!(
            ! __nest::IsResult:: < u64 > ::YES,
            "write the result out: `Result<T, E>` in place of `u64`"
        )
    };
};
impl OrdersService {
    async fn create(
        &self,
        order: CreateOrder,
        cx: &ExecutionContext,
    ) -> Result<Order, OrderError> {
        self.store.create(order, cx).await
    }
    #[cfg(unix)]
    fn count(&self, tenant: Tenant) -> u64 {
        0
    }
    fn watch(
        &self,
        id: u64,
    ) -> Result<BoxStream<'_, Result<Status, OrderError>>, OrderError> {
        self.store.watch(id)
    }
    async fn r#where(&self, event: OrderPaid) -> Result<(), Self> {}
}
#[allow(deprecated, reason = "generated code names what its item has")]
const _: () = {
    use ::nestrs::__private as __nest;
    use __nest::{
        EmptyReply as _, FallibleOutcome as _, PlainOutcome as _, StreamReply as _,
        TryStreamReply as _, ValueReply as _,
    };
    use __nest::{
        InjectableGuard as _, DefaultGuard as _, DocumentedGuard as _, NoGuard as _,
    };
    use __nest::{
        InjectablePipe as _, DefaultPipe as _, DocumentedPipe as _, NoPipe as _,
    };
    fn create<'a>(
        svc: &'a ::std::sync::Arc<OrdersService>,
        cx: &'a __nest::ExecutionContext,
        payload: &'a __nest::Payload,
    ) -> __nest::BoxFuture<'a, __nest::HandlerResult> {
        ::std::boxed::Box::pin(async move {
            let arg0 = __nest::decode::<CreateOrder>(payload)?;
            let arg1 = <&ExecutionContext as __nest::FromContext<'_>>::from_context(cx)?;
            match <OrdersService>::create(svc, arg0, arg1).await {
                ::core::result::Result::Ok(value) => {
                    let kind = (&&&&__nest::ReplyOf(&value)).kind();
                    kind.reply(value)
                }
                ::core::result::Result::Err(error) => {
                    ::core::result::Result::Err(__nest::error(error))
                }
            }
        })
    }
    #[cfg(unix)]
    fn count<'a>(
        svc: &'a ::std::sync::Arc<OrdersService>,
        cx: &'a __nest::ExecutionContext,
        _payload: &'a __nest::Payload,
    ) -> __nest::BoxFuture<'a, __nest::HandlerResult> {
        ::std::boxed::Box::pin(async move {
            let arg0 = <Tenant as __nest::FromContext<'_>>::from_context(cx)?;
            let outcome = <OrdersService>::count(svc, arg0);
            let kind = (&&__nest::OutcomeOf(&outcome)).kind();
            let value = kind.split(outcome)?;
            let kind = (&&&&__nest::ReplyOf(&value)).kind();
            kind.reply(value)
        })
    }
    fn watch<'a>(
        svc: &'a ::std::sync::Arc<OrdersService>,
        _cx: &'a __nest::ExecutionContext,
        payload: &'a __nest::Payload,
    ) -> __nest::BoxFuture<'a, __nest::HandlerResult> {
        ::std::boxed::Box::pin(async move {
            let arg0 = __nest::decode::<u64>(payload)?;
            let svc = ::core::clone::Clone::clone(svc);
            ::core::result::Result::Ok(
                __nest::Reply::Stream(
                    __nest::generate(move |emitter| async move {
                        let stream = match <OrdersService>::watch(&svc, arg0) {
                            ::core::result::Result::Ok(stream) => stream,
                            ::core::result::Result::Err(error) => {
                                return ::core::result::Result::Err(__nest::error(error));
                            }
                        };
                        let kind = (&&&&__nest::ReplyOf(&stream)).kind();
                        let driven = kind.drive(stream, &emitter).await;
                        driven
                    }),
                ),
            )
        })
    }
    fn r#where<'a>(
        svc: &'a ::std::sync::Arc<OrdersService>,
        _cx: &'a __nest::ExecutionContext,
        payload: &'a __nest::Payload,
    ) -> __nest::BoxFuture<'a, __nest::HandlerResult> {
        ::std::boxed::Box::pin(async move {
            let arg0 = __nest::decode::<OrderPaid>(payload)?;
            match <OrdersService>::r#where(svc, arg0).await {
                ::core::result::Result::Ok(value) => {
                    let kind = (&&&&__nest::ReplyOf(&value)).kind();
                    kind.reply(value)
                }
                ::core::result::Result::Err(error) => {
                    ::core::result::Result::Err(__nest::error(error))
                }
            }
        })
    }
    struct __Block;
    #[automatically_derived]
    impl __nest::ContractBlock for __Block {}
    #[automatically_derived]
    #[allow(
        refining_impl_trait,
        unused_variables,
        clippy::all,
        reason = "it is there to be compared"
    )]
    impl api::Orders for __Block {
        async fn create(&self, _: CreateOrder) -> Result<Order, OrderError> {
            __nest::unserved()
        }
        #[cfg(unix)]
        async fn count(&self) -> u64 {
            __nest::unserved()
        }
        fn watch(&self, _: u64) -> __nest::Streamed<Result<Status, OrderError>> {
            __nest::unserved()
        }
        async fn r#where(&self, _: OrderPaid) -> Result<(), OrdersService> {
            __nest::unserved()
        }
    }
    const __CONTRACT: &'static [__nest::ContractMethod] = <__Block as api::Orders>::CONTRACT;
    #[automatically_derived]
    impl __nest::MicroRoutes for __Block {
        type Service = OrdersService;
        const HANDLERS: &'static [__nest::HandlerDef] = &[
            __nest::HandlerDef::contracted(
                __nest::ContractMethod::find(__CONTRACT, "create"),
                "OrdersService::create",
                |mounting| {
                    __nest::mount(
                        mounting,
                        (),
                        (
                            (&&&&__nest::Stage::<TokenGuard>::new()).guard().of_block(),
                            (),
                        ),
                        (),
                        (),
                        create,
                    )
                },
            ),
            #[cfg(unix)]
            __nest::HandlerDef::contracted(
                __nest::ContractMethod::find(__CONTRACT, "count"),
                "OrdersService::count",
                |mounting| {
                    __nest::mount(
                        mounting,
                        (),
                        (
                            (&&&&__nest::Stage::<TokenGuard>::new()).guard().of_block(),
                            (),
                        ),
                        (),
                        (),
                        count,
                    )
                },
            ),
            __nest::HandlerDef::contracted(
                __nest::ContractMethod::find(__CONTRACT, "watch"),
                "OrdersService::watch",
                |mounting| {
                    __nest::mount(
                        mounting,
                        (),
                        (
                            (&&&&__nest::Stage::<TokenGuard>::new()).guard().of_block(),
                            (),
                        ),
                        ((&&&&__nest::Stage::<CheckId>::new()).pipe(), ()),
                        (),
                        watch,
                    )
                },
            ),
            __nest::HandlerDef::contracted(
                __nest::ContractMethod::find(__CONTRACT, "where"),
                "OrdersService::where",
                |mounting| {
                    __nest::mount(
                        mounting,
                        (),
                        (
                            (&&&&__nest::Stage::<TokenGuard>::new()).guard().of_block(),
                            (),
                        ),
                        (),
                        (),
                        r#where,
                    )
                },
            ),
        ];
    }
    #[__nest::linkme::distributed_slice(__nest::HANDLERS)]
    #[linkme(crate = __nest::linkme)]
    static __SET: __nest::HandlerSet = __nest::HandlerSet::of::<__Block>();
};
