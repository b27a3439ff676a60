impl Orders {
    async fn properties(
        &self,
        id: u32,
        version: String,
        limit: Option<u8>,
        peer: Peer,
        Extension(user): Extension<User>,
    ) {}
    fn injected(
        &self,
        repo: Arc<dyn Repo>,
        audit: Option<Arc<Audit>>,
        workers: usize,
        order: Order,
    ) -> u64 {
        0
    }
    async fn piped(
        &self,
        other: Arc<Self>,
        name: String,
        whole: Payload,
        limit: u8,
        user: User,
    ) -> Result<(), Error> {
        Ok(())
    }
    fn streamed(
        &self,
        ids: Vec<u32>,
        repo: Arc<Repo>,
        cx: &ExecutionContext,
    ) -> impl Stream<Item = u32> {
        stream::iter(ids)
    }
}
#[allow(deprecated, reason = "generated code names what its item has")]
const _: () = {
    use ::nestrs::__private as __nest;
    use __nest::{
        EmptyReply as _, FallibleOutcome as _, PlainOutcome as _, StreamReply as _,
        TryStreamReply as _, ValueReply as _,
    };
    use __nest::{DefaultArgumentPipe as _, InjectableArgumentPipe as _};
    fn properties<'a>(
        svc: &'a ::std::sync::Arc<Orders>,
        cx: &'a __nest::ExecutionContext,
        payload: &'a __nest::Payload,
    ) -> __nest::BoxFuture<'a, __nest::HandlerResult> {
        ::std::boxed::Box::pin(async move {
            let arg0 = __nest::property::<u32>(payload, "id")?;
            let arg1 = __nest::header::<String>(cx, "x-version")?;
            let arg2 = __nest::header_optional::<u8>(cx, "x-limit")?;
            let arg3 = <Peer as __nest::FromContext<'_>>::from_context(cx)?;
            let arg4 = <Extension<User> as __nest::FromContext<'_>>::from_context(cx)?;
            let outcome = <Orders>::properties(svc, arg0, arg1, arg2, arg3, arg4).await;
            let kind = (&&__nest::OutcomeOf(&outcome)).kind();
            let value = kind.split(outcome)?;
            let kind = (&&&&__nest::ReplyOf(&value)).kind();
            kind.reply(value)
        })
    }
    fn injected<'a>(
        svc: &'a ::std::sync::Arc<
            __nest::Bound<Orders, (Arc<dyn Repo>, (Option<Arc<Audit>>, (usize, ())))>,
        >,
        _cx: &'a __nest::ExecutionContext,
        payload: &'a __nest::Payload,
    ) -> __nest::BoxFuture<'a, __nest::HandlerResult> {
        ::std::boxed::Box::pin(async move {
            let arg0: Arc<dyn Repo> = ::core::clone::Clone::clone(&svc.arguments.0);
            let arg1: Option<Arc<Audit>> = ::core::clone::Clone::clone(
                &svc.arguments.1.0,
            );
            let arg2: usize = ::core::clone::Clone::clone(&svc.arguments.1.1.0);
            let arg3 = __nest::decode::<Order>(payload)?;
            let outcome = <Orders>::injected(&svc.service, arg0, arg1, arg2, arg3);
            let kind = (&&__nest::OutcomeOf(&outcome)).kind();
            let value = kind.split(outcome)?;
            let kind = (&&&&__nest::ReplyOf(&value)).kind();
            kind.reply(value)
        })
    }
    fn piped<'a>(
        svc: &'a ::std::sync::Arc<
            __nest::Bound<
                Orders,
                (
                    Arc<Orders>,
                    (
                        ::std::sync::Arc<Trim>,
                        (::std::sync::Arc<ParseIntPipe>, (::std::sync::Arc<Known>, ())),
                    ),
                ),
            >,
        >,
        cx: &'a __nest::ExecutionContext,
        payload: &'a __nest::Payload,
    ) -> __nest::BoxFuture<'a, __nest::HandlerResult> {
        ::std::boxed::Box::pin(async move {
            let arg0: Arc<Orders> = ::core::clone::Clone::clone(&svc.arguments.0);
            let arg1 = __nest::piped::<
                _,
                String,
            >(
                    &MaxLength(80),
                    cx,
                    __nest::piped::<
                        _,
                        _,
                    >(&*svc.arguments.1.0, cx, __nest::property(payload, "name")?)
                        .await?,
                )
                .await?;
            let arg2: Payload = ::core::clone::Clone::clone(payload);
            let arg3 = __nest::piped::<
                _,
                u8,
            >(&*svc.arguments.1.1.0, cx, __nest::header_input(cx, "x")?)
                .await?;
            let arg4 = __nest::piped::<
                _,
                User,
            >(&*svc.arguments.1.1.1.0, cx, __nest::FromContext::from_context(cx)?)
                .await?;
            match <Orders>::piped(&svc.service, arg0, arg1, arg2, arg3, arg4).await {
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
    fn streamed<'a>(
        svc: &'a ::std::sync::Arc<
            __nest::Bound<Orders, (::std::sync::Arc<Sorted>, (Arc<Repo>, ()))>,
        >,
        cx: &'a __nest::ExecutionContext,
        payload: &'a __nest::Payload,
    ) -> __nest::BoxFuture<'a, __nest::HandlerResult> {
        ::std::boxed::Box::pin(async move {
            let arg0 = __nest::piped::<
                _,
                Vec<u32>,
            >(
                    &Limit::<Orders>::default(),
                    cx,
                    __nest::piped::<
                        _,
                        _,
                    >(&*svc.arguments.0, cx, __nest::decode(payload)?)
                        .await?,
                )
                .await?;
            let arg1: Arc<Repo> = ::core::clone::Clone::clone(&svc.arguments.1.0);
            let svc = ::core::clone::Clone::clone(svc);
            let cx = ::core::clone::Clone::clone(cx);
            ::core::result::Result::Ok(
                __nest::Reply::Stream(
                    __nest::generate(move |emitter| async move {
                        let arg2 = <&ExecutionContext as __nest::FromContext<
                            '_,
                        >>::from_context(&cx)?;
                        let stream = <Orders>::streamed(&svc.service, arg0, arg1, arg2);
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
        type Service = Orders;
        const HANDLERS: &'static [__nest::HandlerDef] = &[
            __nest::HandlerDef::message(
                &[__nest::PatternLiteral::Text("a")],
                "Orders::properties",
                |mounting| { __nest::mount(mounting, (), (), (), (), properties) },
            ),
            __nest::HandlerDef::message(
                &[__nest::PatternLiteral::Text("b")],
                "Orders::injected",
                |mounting| {
                    __nest::mount_with(
                        mounting,
                        (
                            __nest::Inject::new(
                                || __nest::Dependency::required::<
                                    dyn Repo,
                                >("its argument `repo`"),
                                |resolver| resolver.required::<dyn Repo>(),
                            ),
                            (
                                __nest::Inject::new(
                                    || {
                                        __nest::Dependency::required::<
                                            Audit,
                                        >("its argument `audit`")
                                            .optional()
                                    },
                                    |resolver| ::core::result::Result::Ok(
                                        resolver.optional::<Audit>(),
                                    ),
                                ),
                                (
                                    __nest::Inject::new(
                                        || __nest::Dependency::named::<
                                            usize,
                                        >("its argument `workers`", "WORKERS"),
                                        |resolver| {
                                            let shared = resolver.named::<usize>("WORKERS")?;
                                            ::core::result::Result::Ok(
                                                ::core::clone::Clone::clone(&*shared),
                                            )
                                        },
                                    ),
                                    (),
                                ),
                            ),
                        ),
                        (),
                        (),
                        (),
                        (),
                        injected,
                    )
                },
            ),
            __nest::HandlerDef::message(
                &[__nest::PatternLiteral::Text("c")],
                "Orders::piped",
                |mounting| {
                    __nest::mount_with(
                        mounting,
                        (
                            __nest::Inject::new(
                                || __nest::Dependency::required::<
                                    Orders,
                                >("its argument `other`"),
                                |resolver| resolver.required::<Orders>(),
                            ),
                            (
                                (&&__nest::Stage::<Trim>::new()).argument_pipe(),
                                (
                                    (&&__nest::Stage::<ParseIntPipe>::new()).argument_pipe(),
                                    ((&&__nest::Stage::<Known>::new()).argument_pipe(), ()),
                                ),
                            ),
                        ),
                        (),
                        (),
                        (),
                        (),
                        piped,
                    )
                },
            ),
            __nest::HandlerDef::message(
                &[__nest::PatternLiteral::Text("d")],
                "Orders::streamed",
                |mounting| {
                    __nest::mount_with(
                        mounting,
                        (
                            (&&__nest::Stage::<Sorted>::new()).argument_pipe(),
                            (
                                __nest::Inject::new(
                                    || __nest::Dependency::required::<
                                        Repo,
                                    >("its argument `repo`"),
                                    |resolver| resolver.required::<Repo>(),
                                ),
                                (),
                            ),
                        ),
                        (),
                        (),
                        (),
                        (),
                        streamed,
                    )
                },
            ),
        ];
    }
    #[__nest::linkme::distributed_slice(__nest::HANDLERS)]
    #[linkme(crate = __nest::linkme)]
    static __SET: __nest::HandlerSet = __nest::HandlerSet::of::<__Block>();
};
