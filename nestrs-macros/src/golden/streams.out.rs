impl Clock {
    fn ticks(&self) -> impl Stream<Item = u64> {
        self.source.ticks()
    }
    async fn ticks_from(
        &self,
        start: u64,
        cx: &ExecutionContext,
    ) -> Result<impl Stream<Item = Result<u64, ClockError>> + use<'_>, ClockError> {
        self.source.from(start, cx).await
    }
    fn boxed(&self, limit: u64) -> BoxStream<'_, u64> {
        self.source.ticks().take(limit).boxed()
    }
}
#[allow(deprecated, reason = "generated code names what its item has")]
const _: () = {
    use ::nestrs::__private as __nest;
    use __nest::{
        EmptyReply as _, FallibleOutcome as _, PlainOutcome as _, StreamReply as _,
        TryStreamReply as _, ValueReply as _,
    };
    fn ticks<'a>(
        svc: &'a ::std::sync::Arc<Clock>,
        _cx: &'a __nest::ExecutionContext,
        _payload: &'a __nest::Payload,
    ) -> __nest::BoxFuture<'a, __nest::HandlerResult> {
        ::std::boxed::Box::pin(async move {
            let svc = ::core::clone::Clone::clone(svc);
            ::core::result::Result::Ok(
                __nest::Reply::Stream(
                    __nest::generate(move |emitter| async move {
                        let stream = <Clock>::ticks(&svc);
                        let kind = (&&&&__nest::ReplyOf(&stream)).kind();
                        let driven = kind.drive(stream, &emitter).await;
                        driven
                    }),
                ),
            )
        })
    }
    fn ticks_from<'a>(
        svc: &'a ::std::sync::Arc<Clock>,
        cx: &'a __nest::ExecutionContext,
        payload: &'a __nest::Payload,
    ) -> __nest::BoxFuture<'a, __nest::HandlerResult> {
        ::std::boxed::Box::pin(async move {
            let arg0 = __nest::decode::<u64>(payload)?;
            let svc = ::core::clone::Clone::clone(svc);
            let cx = ::core::clone::Clone::clone(cx);
            ::core::result::Result::Ok(
                __nest::Reply::Stream(
                    __nest::generate(move |emitter| async move {
                        let arg1 = <&ExecutionContext as __nest::FromContext<
                            '_,
                        >>::from_context(&cx)?;
                        let stream = match <Clock>::ticks_from(&svc, arg0, arg1).await {
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
    fn boxed<'a>(
        svc: &'a ::std::sync::Arc<Clock>,
        _cx: &'a __nest::ExecutionContext,
        payload: &'a __nest::Payload,
    ) -> __nest::BoxFuture<'a, __nest::HandlerResult> {
        ::std::boxed::Box::pin(async move {
            let arg0 = __nest::decode::<u64>(payload)?;
            let svc = ::core::clone::Clone::clone(svc);
            ::core::result::Result::Ok(
                __nest::Reply::Stream(
                    __nest::generate(move |emitter| async move {
                        let stream = <Clock>::boxed(&svc, arg0);
                        let kind = (&&&&__nest::ReplyOf(&stream)).kind();
                        let driven = kind.drive(stream, &emitter).await;
                        driven
                    }),
                ),
            )
        })
    }
    struct __Block;
    #[automatically_derived]
    impl __nest::MicroRoutes for __Block {
        type Service = Clock;
        const HANDLERS: &'static [__nest::HandlerDef] = &[
            __nest::HandlerDef::message(
                &[__nest::PatternLiteral::Text("ticks")],
                "Clock::ticks",
                |mounting| { __nest::mount(mounting, (), (), (), (), ticks) },
            ),
            __nest::HandlerDef::message(
                &[__nest::PatternLiteral::Text("ticks.from")],
                "Clock::ticks_from",
                |mounting| { __nest::mount(mounting, (), (), (), (), ticks_from) },
            ),
            __nest::HandlerDef::message(
                &[__nest::PatternLiteral::Text("ticks.boxed")],
                "Clock::boxed",
                |mounting| { __nest::mount(mounting, (), (), (), (), boxed) },
            ),
        ];
    }
    #[__nest::linkme::distributed_slice(__nest::HANDLERS)]
    #[linkme(crate = __nest::linkme)]
    static __SET: __nest::HandlerSet = __nest::HandlerSet::of::<__Block>();
};
