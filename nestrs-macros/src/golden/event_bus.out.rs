impl AuditService {
    async fn log_user_created(&self, payload: serde_json::Value) {}
    async fn log_user_gone(
        &self,
        user: User,
        cx: &ExecutionContext,
    ) -> Result<(), AuditError> {
        Ok(())
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
    fn log_user_created<'a>(
        svc: &'a ::std::sync::Arc<AuditService>,
        _cx: &'a __nest::ExecutionContext,
        payload: &'a __nest::Payload,
    ) -> __nest::BoxFuture<'a, __nest::HandlerResult> {
        ::std::boxed::Box::pin(async move {
            let arg0 = __nest::decode::<serde_json::Value>(payload)?;
            let outcome = <AuditService>::log_user_created(svc, arg0).await;
            let kind = (&&__nest::OutcomeOf(&outcome)).kind();
            let value = kind.split(outcome)?;
            let kind = (&&&&__nest::ReplyOf(&value)).kind();
            kind.reply(value)
        })
    }
    fn log_user_gone<'a>(
        svc: &'a ::std::sync::Arc<AuditService>,
        cx: &'a __nest::ExecutionContext,
        payload: &'a __nest::Payload,
    ) -> __nest::BoxFuture<'a, __nest::HandlerResult> {
        ::std::boxed::Box::pin(async move {
            let arg0 = __nest::decode::<User>(payload)?;
            let arg1 = <&ExecutionContext as __nest::FromContext<'_>>::from_context(cx)?;
            match <AuditService>::log_user_gone(svc, arg0, arg1).await {
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
    impl __nest::MicroRoutes for __Block {
        type Service = AuditService;
        const HANDLERS: &'static [__nest::HandlerDef] = &[
            __nest::HandlerDef::bus(
                &[__nest::PatternLiteral::Text("user.created")],
                "AuditService::log_user_created",
                |mounting| {
                    __nest::mount(
                        mounting,
                        (
                            (&&&&__nest::Stage::<Audit>::new()).interceptor().of_block(),
                            (),
                        ),
                        (),
                        (),
                        (),
                        log_user_created,
                    )
                },
            ),
            __nest::HandlerDef::bus(
                &[
                    __nest::PatternLiteral::Text("user.deleted"),
                    __nest::PatternLiteral::Text("user.banned"),
                ],
                "AuditService::log_user_gone",
                |mounting| {
                    __nest::mount(
                        mounting,
                        (
                            (&&&&__nest::Stage::<Audit>::new()).interceptor().of_block(),
                            (),
                        ),
                        (),
                        (),
                        (),
                        log_user_gone,
                    )
                },
            ),
        ];
    }
    #[__nest::linkme::distributed_slice(__nest::HANDLERS)]
    #[linkme(crate = __nest::linkme)]
    static __SET: __nest::HandlerSet = __nest::HandlerSet::of::<__Block>();
};
#[derive(Clone, Serialize, Deserialize)]
pub struct OrderCreated {
    id: u64,
}
#[allow(deprecated, reason = "generated code names what its item has")]
const _: () = {
    use ::nestrs::__private as __nest;
    #[automatically_derived]
    impl __nest::BusEvent for OrderCreated {
        const NAME: &'static str = "order.created";
    }
};
impl Orders {
    async fn created(&self, event: OrderCreated) {}
    async fn shared(&self, event: Arc<crate::OrderCreated>) {}
}
#[allow(deprecated, reason = "generated code names what its item has")]
const _: () = {
    use ::nestrs::__private as __nest;
    use __nest::{
        EmptyReply as _, FallibleOutcome as _, PlainOutcome as _, StreamReply as _,
        TryStreamReply as _, ValueReply as _,
    };
    fn created<'a>(
        svc: &'a ::std::sync::Arc<Orders>,
        _cx: &'a __nest::ExecutionContext,
        payload: &'a __nest::Payload,
    ) -> __nest::BoxFuture<'a, __nest::HandlerResult> {
        ::std::boxed::Box::pin(async move {
            let arg0 = __nest::decode::<OrderCreated>(payload)?;
            let outcome = <Orders>::created(svc, arg0).await;
            let kind = (&&__nest::OutcomeOf(&outcome)).kind();
            let value = kind.split(outcome)?;
            let kind = (&&&&__nest::ReplyOf(&value)).kind();
            kind.reply(value)
        })
    }
    fn shared<'a>(
        svc: &'a ::std::sync::Arc<Orders>,
        _cx: &'a __nest::ExecutionContext,
        payload: &'a __nest::Payload,
    ) -> __nest::BoxFuture<'a, __nest::HandlerResult> {
        ::std::boxed::Box::pin(async move {
            let arg0 = __nest::decode_shared::<crate::OrderCreated>(payload)?;
            let outcome = <Orders>::shared(svc, arg0).await;
            let kind = (&&__nest::OutcomeOf(&outcome)).kind();
            let value = kind.split(outcome)?;
            let kind = (&&&&__nest::ReplyOf(&value)).kind();
            kind.reply(value)
        })
    }
    struct __Block;
    #[automatically_derived]
    impl __nest::MicroRoutes for __Block {
        type Service = Orders;
        const HANDLERS: &'static [__nest::HandlerDef] = &[
            __nest::HandlerDef::bus(
                &[__nest::PatternLiteral::Text(__nest::event_name::<OrderCreated>())],
                "Orders::created",
                |mounting| { __nest::mount(mounting, (), (), (), (), created) },
            ),
            __nest::HandlerDef::bus(
                &[
                    __nest::PatternLiteral::Text(
                        __nest::event_name::<crate::OrderCreated>(),
                    ),
                ],
                "Orders::shared",
                |mounting| { __nest::mount(mounting, (), (), (), (), shared) },
            ),
        ];
    }
    #[__nest::linkme::distributed_slice(__nest::HANDLERS)]
    #[linkme(crate = __nest::linkme)]
    static __SET: __nest::HandlerSet = __nest::HandlerSet::of::<__Block>();
};
