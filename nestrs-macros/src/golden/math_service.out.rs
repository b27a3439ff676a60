struct MathService;
#[allow(deprecated, reason = "generated code names what its item has")]
const _: () = {
    use ::nestrs::__private as __nest;
    #[automatically_derived]
    impl __nest::Injectable for MathService {
        fn dependencies() -> ::std::vec::Vec<__nest::Dependency> {
            ::core::convert::From::from([])
        }
        fn construct(
            _resolver: &__nest::Resolver<'_>,
        ) -> ::core::result::Result<Self, __nest::ResolveError> {
            ::core::result::Result::Ok(Self)
        }
        fn hooks() -> __nest::HookList<Self> {
            use __nest::{
                HasApplicationBootstrap as _, HasApplicationShutdown as _,
                HasBeforeShutdown as _, HasModuleDestroy as _, HasModuleInit as _,
                NoApplicationBootstrap as _, NoApplicationShutdown as _,
                NoBeforeShutdown as _, NoModuleDestroy as _, NoModuleInit as _,
            };
            let of = &__nest::HooksOf::<Self>::new();
            __nest::HookList::of([
                (__nest::Phase::ModuleInit, (&of).module_init()),
                (__nest::Phase::ApplicationBootstrap, (&of).application_bootstrap()),
                (__nest::Phase::ModuleDestroy, (&of).module_destroy()),
                (__nest::Phase::BeforeApplicationShutdown, (&of).before_shutdown()),
                (__nest::Phase::ApplicationShutdown, (&of).application_shutdown()),
            ])
        }
    }
};
impl MathService {
    async fn add(
        &self,
        payload: serde_json::Value,
    ) -> Result<serde_json::Value, TransportError> {
        let a = payload["a"].as_f64().unwrap_or(0.0);
        let b = payload["b"].as_f64().unwrap_or(0.0);
        Ok(serde_json::json!({ "result" : a + b }))
    }
    async fn on_user_created(&self, payload: serde_json::Value) {
        tracing::info!("new user: {:?}", payload);
    }
}
#[allow(deprecated, reason = "generated code names what its item has")]
const _: () = {
    use ::nestrs::__private as __nest;
    use __nest::{
        EmptyReply as _, FallibleOutcome as _, PlainOutcome as _, StreamReply as _,
        TryStreamReply as _, ValueReply as _,
    };
    fn add<'a>(
        svc: &'a ::std::sync::Arc<MathService>,
        _cx: &'a __nest::ExecutionContext,
        payload: &'a __nest::Payload,
    ) -> __nest::BoxFuture<'a, __nest::HandlerResult> {
        ::std::boxed::Box::pin(async move {
            let arg0 = __nest::decode::<serde_json::Value>(payload)?;
            match <MathService>::add(svc, arg0).await {
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
    fn on_user_created<'a>(
        svc: &'a ::std::sync::Arc<MathService>,
        _cx: &'a __nest::ExecutionContext,
        payload: &'a __nest::Payload,
    ) -> __nest::BoxFuture<'a, __nest::HandlerResult> {
        ::std::boxed::Box::pin(async move {
            let arg0 = __nest::decode::<serde_json::Value>(payload)?;
            let outcome = <MathService>::on_user_created(svc, arg0).await;
            let kind = (&&__nest::OutcomeOf(&outcome)).kind();
            let value = kind.split(outcome)?;
            let kind = (&&&&__nest::ReplyOf(&value)).kind();
            kind.reply(value)
        })
    }
    struct __Block;
    #[automatically_derived]
    impl __nest::MicroRoutes for __Block {
        type Service = MathService;
        const HANDLERS: &'static [__nest::HandlerDef] = &[
            __nest::HandlerDef::message(
                &[__nest::PatternLiteral::Text("math.add")],
                "MathService::add",
                |mounting| { __nest::mount(mounting, (), (), (), (), add) },
            ),
            __nest::HandlerDef::event(
                &[__nest::PatternLiteral::Text("user.created")],
                "MathService::on_user_created",
                |mounting| { __nest::mount(mounting, (), (), (), (), on_user_created) },
            ),
        ];
    }
    #[__nest::linkme::distributed_slice(__nest::HANDLERS)]
    #[linkme(crate = __nest::linkme)]
    static __SET: __nest::HandlerSet = __nest::HandlerSet::of::<__Block>();
};
struct AppModule;
#[allow(deprecated, reason = "generated code names what its item has")]
const _: () = {
    use ::nestrs::__private as __nest;
    #[automatically_derived]
    impl __nest::Module for AppModule {
        fn define() -> __nest::ModuleDef {
            __nest::ModuleDef::new::<Self>()
                .provide(__nest::Provider::class::<MathService>())
                .microservice::<MathService>()
        }
    }
};
