impl Orders {
    async fn get(&self, id: u64) -> u64 {
        id
    }
    async fn log(&self) {}
}
#[allow(deprecated, reason = "generated code names what its item has")]
const _: () = {
    use ::nestrs::__private as __nest;
    use __nest::{
        EmptyReply as _, FallibleOutcome as _, PlainOutcome as _, StreamReply as _,
        TryStreamReply as _, ValueReply as _,
    };
    fn get<'a>(
        svc: &'a ::std::sync::Arc<Orders>,
        _cx: &'a __nest::ExecutionContext,
        payload: &'a __nest::Payload,
    ) -> __nest::BoxFuture<'a, __nest::HandlerResult> {
        ::std::boxed::Box::pin(async move {
            let arg0 = __nest::decode::<u64>(payload)?;
            let outcome = <Orders>::get(svc, arg0).await;
            let kind = (&&__nest::OutcomeOf(&outcome)).kind();
            let value = kind.split(outcome)?;
            let kind = (&&&&__nest::ReplyOf(&value)).kind();
            kind.reply(value)
        })
    }
    fn log<'a>(
        svc: &'a ::std::sync::Arc<Orders>,
        _cx: &'a __nest::ExecutionContext,
        _payload: &'a __nest::Payload,
    ) -> __nest::BoxFuture<'a, __nest::HandlerResult> {
        ::std::boxed::Box::pin(async move {
            let outcome = <Orders>::log(svc).await;
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
            __nest::HandlerDef::message(
                    &[__nest::PatternLiteral::Text("orders.get")],
                    "Orders::get",
                    |mounting| { __nest::mount(mounting, (), (), (), (), get) },
                )
                .transports(&[__nest::TransportId::TCP]),
            __nest::HandlerDef::event(
                    &[
                        __nest::PatternLiteral::Text("orders.*"),
                        __nest::PatternLiteral::Text("log.>"),
                    ],
                    "Orders::log",
                    |mounting| { __nest::mount(mounting, (), (), (), (), log) },
                )
                .transports(
                    &[
                        __nest::TransportId::NATS,
                        __nest::TransportId::custom("carrier-pigeon"),
                    ],
                )
                .extras(
                    &[
                        ("queue", __nest::PatternLiteral::Text(<Orders>::QUEUE)),
                        ("qos", __nest::PatternLiteral::Number(1.0)),
                        (
                            "headers",
                            __nest::PatternLiteral::Object(
                                &[("trace", __nest::PatternLiteral::Bool(true))],
                            ),
                        ),
                    ],
                ),
        ];
    }
    #[__nest::linkme::distributed_slice(__nest::HANDLERS)]
    #[linkme(crate = __nest::linkme)]
    static __SET: __nest::HandlerSet = __nest::HandlerSet::of::<__Block>();
};
