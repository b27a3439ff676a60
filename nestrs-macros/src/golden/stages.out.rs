impl crate::orders::Orders {
    async fn place(&self, order: Order) -> Placed {
        self.book(order)
    }
    fn shipped(&self) {}
    fn book(&self, order: Order) -> Placed {
        Placed(order)
    }
}
#[allow(deprecated, reason = "generated code names what its item has")]
const _: () = {
    use ::nestrs::__private as __nest;
    use __nest::{
        EmptyReply as _, FallibleOutcome as _, PlainOutcome as _, StreamReply as _,
        TryStreamReply as _, ValueReply as _,
    };
    use __nest::{
        InjectableInterceptor as _, DefaultInterceptor as _, DocumentedInterceptor as _,
        NoInterceptor as _,
    };
    use __nest::{
        InjectableGuard as _, DefaultGuard as _, DocumentedGuard as _, NoGuard as _,
    };
    use __nest::{
        InjectablePipe as _, DefaultPipe as _, DocumentedPipe as _, NoPipe as _,
    };
    fn place<'a>(
        svc: &'a ::std::sync::Arc<crate::orders::Orders>,
        _cx: &'a __nest::ExecutionContext,
        payload: &'a __nest::Payload,
    ) -> __nest::BoxFuture<'a, __nest::HandlerResult> {
        ::std::boxed::Box::pin(async move {
            let arg0 = __nest::decode::<Order>(payload)?;
            let outcome = <crate::orders::Orders>::place(svc, arg0).await;
            let kind = (&&__nest::OutcomeOf(&outcome)).kind();
            let value = kind.split(outcome)?;
            let kind = (&&&&__nest::ReplyOf(&value)).kind();
            kind.reply(value)
        })
    }
    fn shipped<'a>(
        svc: &'a ::std::sync::Arc<crate::orders::Orders>,
        _cx: &'a __nest::ExecutionContext,
        _payload: &'a __nest::Payload,
    ) -> __nest::BoxFuture<'a, __nest::HandlerResult> {
        ::std::boxed::Box::pin(async move {
            let outcome = <crate::orders::Orders>::shipped(svc);
            let kind = (&&__nest::OutcomeOf(&outcome)).kind();
            let value = kind.split(outcome)?;
            let kind = (&&&&__nest::ReplyOf(&value)).kind();
            kind.reply(value)
        })
    }
    struct __Block;
    #[automatically_derived]
    impl __nest::MicroRoutes for __Block {
        type Service = crate::orders::Orders;
        const HANDLERS: &'static [__nest::HandlerDef] = &[
            __nest::HandlerDef::message(
                &[
                    __nest::PatternLiteral::Object(
                        &[
                            ("cmd", __nest::PatternLiteral::Text("place")),
                            ("v", __nest::PatternLiteral::Number(-1.5)),
                        ],
                    ),
                    __nest::PatternLiteral::Text("orders.place"),
                    __nest::PatternLiteral::Text(patterns::PLACE),
                    __nest::PatternLiteral::Number(7.0),
                ],
                "Orders::place",
                |mounting| {
                    __nest::mount(
                        mounting,
                        (
                            (&&&&__nest::Stage::<Timing>::new())
                                .interceptor()
                                .of_block(),
                            (),
                        ),
                        (
                            (&&&&__nest::Stage::<TenantGuard>::new()).guard().of_block(),
                            (
                                (&&&&__nest::Stage::<RoleGuard<Clerk>>::new()).guard(),
                                ((&&&&__nest::Stage::<StockGuard>::new()).guard(), ()),
                            ),
                        ),
                        ((&&&&__nest::Stage::<TrimNames>::new()).pipe(), ()),
                        (),
                        place,
                    )
                },
            ),
            __nest::HandlerDef::event(
                &[
                    __nest::PatternLiteral::Object(
                        &[
                            (
                                "nested",
                                __nest::PatternLiteral::Object(
                                    &[
                                        (
                                            "list",
                                            __nest::PatternLiteral::Array(
                                                &[
                                                    __nest::PatternLiteral::Number(1.0),
                                                    __nest::PatternLiteral::Text("x"),
                                                    __nest::PatternLiteral::Bool(true),
                                                    __nest::PatternLiteral::Null,
                                                ],
                                            ),
                                        ),
                                    ],
                                ),
                            ),
                            ("quoted key", __nest::PatternLiteral::Number(1.0)),
                        ],
                    ),
                ],
                "Orders::shipped",
                |mounting| {
                    __nest::mount(
                        mounting,
                        (
                            (&&&&__nest::Stage::<Timing>::new())
                                .interceptor()
                                .of_block(),
                            (),
                        ),
                        (
                            (&&&&__nest::Stage::<TenantGuard>::new()).guard().of_block(),
                            (),
                        ),
                        (),
                        (),
                        shipped,
                    )
                },
            ),
        ];
    }
    #[__nest::linkme::distributed_slice(__nest::HANDLERS)]
    #[linkme(crate = __nest::linkme)]
    static __SET: __nest::HandlerSet = __nest::HandlerSet::of::<__Block>();
};
