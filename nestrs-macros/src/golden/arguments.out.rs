#[cfg(feature = "orders")]
impl Orders {
    async fn payload_then_context(
        &self,
        order: Order,
        cx: &ExecutionContext,
        user: Option<User>,
    ) -> std::io::Result<Self> {
        0
    }
    fn context_first(
        &self,
        cx: &ExecutionContext,
        meta: &nestrs::Metadata,
        Order { id, .. }: Order,
    ) -> u64 {
        id
    }
    async fn marked(&self, user: User, orders: Vec<Self>, extra: Extra<Self>) {}
    async fn raw(&self, payload: Payload) -> Result<Payload, Self> {
        Ok(payload)
    }
    #[cfg(unix)]
    #[allow(clippy::unused_self)]
    pub(crate) async fn r#where(&self) -> Result<(), Error> {
        Ok(())
    }
}
#[cfg(feature = "orders")]
#[allow(deprecated, reason = "generated code names what its item has")]
const _: () = {
    use ::nest_framework::__private as __nest;
    use __nest::{
        EmptyReply as _, FallibleOutcome as _, PlainOutcome as _, StreamReply as _,
        TryStreamReply as _, ValueReply as _,
    };
    fn payload_then_context<'a>(
        svc: &'a ::std::sync::Arc<Orders>,
        cx: &'a __nest::ExecutionContext,
        payload: &'a __nest::Payload,
    ) -> __nest::BoxFuture<'a, __nest::HandlerResult> {
        ::std::boxed::Box::pin(async move {
            let arg0 = __nest::decode::<Order>(payload)?;
            let arg1 = <&ExecutionContext as __nest::FromContext<'_>>::from_context(cx)?;
            let arg2 = <Option<User> as __nest::FromContext<'_>>::from_context(cx)?;
            match <Orders>::payload_then_context(svc, arg0, arg1, arg2).await {
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
    fn context_first<'a>(
        svc: &'a ::std::sync::Arc<Orders>,
        cx: &'a __nest::ExecutionContext,
        payload: &'a __nest::Payload,
    ) -> __nest::BoxFuture<'a, __nest::HandlerResult> {
        ::std::boxed::Box::pin(async move {
            let arg0 = <&ExecutionContext as __nest::FromContext<'_>>::from_context(cx)?;
            let arg1 = <&nestrs::Metadata as __nest::FromContext<'_>>::from_context(cx)?;
            let arg2 = __nest::decode::<Order>(payload)?;
            let outcome = <Orders>::context_first(svc, arg0, arg1, arg2);
            let kind = (&&__nest::OutcomeOf(&outcome)).kind();
            let value = kind.split(outcome)?;
            let kind = (&&&&__nest::ReplyOf(&value)).kind();
            kind.reply(value)
        })
    }
    fn marked<'a>(
        svc: &'a ::std::sync::Arc<Orders>,
        cx: &'a __nest::ExecutionContext,
        payload: &'a __nest::Payload,
    ) -> __nest::BoxFuture<'a, __nest::HandlerResult> {
        ::std::boxed::Box::pin(async move {
            let arg0 = <User as __nest::FromContext<'_>>::from_context(cx)?;
            let arg1 = __nest::decode::<Vec<Orders>>(payload)?;
            let arg2 = <Extra<Orders> as __nest::FromContext<'_>>::from_context(cx)?;
            let outcome = <Orders>::marked(svc, arg0, arg1, arg2).await;
            let kind = (&&__nest::OutcomeOf(&outcome)).kind();
            let value = kind.split(outcome)?;
            let kind = (&&&&__nest::ReplyOf(&value)).kind();
            kind.reply(value)
        })
    }
    fn raw<'a>(
        svc: &'a ::std::sync::Arc<Orders>,
        _cx: &'a __nest::ExecutionContext,
        payload: &'a __nest::Payload,
    ) -> __nest::BoxFuture<'a, __nest::HandlerResult> {
        ::std::boxed::Box::pin(async move {
            let arg0: Payload = ::core::clone::Clone::clone(payload);
            match <Orders>::raw(svc, arg0).await {
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
    fn r#where<'a>(
        svc: &'a ::std::sync::Arc<Orders>,
        _cx: &'a __nest::ExecutionContext,
        _payload: &'a __nest::Payload,
    ) -> __nest::BoxFuture<'a, __nest::HandlerResult> {
        ::std::boxed::Box::pin(async move {
            match <Orders>::r#where(svc).await {
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
        type Service = Orders;
        const HANDLERS: &'static [__nest::HandlerDef] = &[
            __nest::HandlerDef::message(
                &[__nest::PatternLiteral::Text("a")],
                "Orders::payload_then_context",
                |mounting| {
                    __nest::mount(mounting, (), (), (), (), payload_then_context)
                },
            ),
            __nest::HandlerDef::message(
                &[__nest::PatternLiteral::Text("b")],
                "Orders::context_first",
                |mounting| { __nest::mount(mounting, (), (), (), (), context_first) },
            ),
            __nest::HandlerDef::message(
                &[__nest::PatternLiteral::Text("c")],
                "Orders::marked",
                |mounting| { __nest::mount(mounting, (), (), (), (), marked) },
            ),
            __nest::HandlerDef::message(
                &[__nest::PatternLiteral::Text("d")],
                "Orders::raw",
                |mounting| { __nest::mount(mounting, (), (), (), (), raw) },
            ),
            #[cfg(unix)]
            __nest::HandlerDef::message(
                &[__nest::PatternLiteral::Text("e")],
                "Orders::where",
                |mounting| { __nest::mount(mounting, (), (), (), (), r#where) },
            ),
        ];
    }
    #[__nest::linkme::distributed_slice(__nest::HANDLERS)]
    #[linkme(crate = __nest::linkme)]
    static __SET: __nest::HandlerSet = __nest::HandlerSet::of::<__Block>();
};
