impl Gateway {
    async fn sum(&self) -> Result<Json<u64>, TransportError> {
        Ok(Json(self.client.send("sum", &[1, 2]).await?))
    }
    fn store(&self, Path(id): Path<u64>, Json(dto): Json<Vec<Self>>) -> Stored {
        Stored(id, dto)
    }
    #[cfg(unix)]
    async fn r#remove(&self, id: Path<u64>) {}
    fn helper(&self) {}
}
#[allow(deprecated, reason = "generated code names what its item has")]
const _: () = {
    use ::nestrs::__private as __nest;
    use __nest::http::{
        AxumError as _, AxumResponse as _, CallError as _, EmptyResponse as _,
        FallibleResponse as _, JsonResponse as _, PlainResponse as _,
    };
    fn get_sum(svc: __nest::http::ServiceSource<Gateway>) -> __nest::http::MethodRouter {
        __nest::http::route(
            __nest::http::Method::Get,
            move |mut request: __nest::http::Request| {
                let svc = ::core::clone::Clone::clone(&svc);
                async move {
                    let (svc, _cx) = match __nest::http::service(&svc, &mut request) {
                        ::core::result::Result::Ok(service) => service,
                        ::core::result::Result::Err(refusal) => return refusal,
                    };
                    match <Gateway>::sum(&svc).await {
                        ::core::result::Result::Ok(value) => {
                            let kind = (&&&&__nest::http::ResponseOf(&value)).kind();
                            kind.respond(value)
                        }
                        ::core::result::Result::Err(error) => {
                            let kind = (&&__nest::http::ErrorOf(&error)).kind();
                            kind.respond(error)
                        }
                    }
                }
            },
        )
    }
    fn post_store(
        svc: __nest::http::ServiceSource<Gateway>,
    ) -> __nest::http::MethodRouter {
        __nest::http::route(
            __nest::http::Method::Post,
            move |mut request: __nest::http::Request| {
                let svc = ::core::clone::Clone::clone(&svc);
                async move {
                    let (svc, _cx) = match __nest::http::service(&svc, &mut request) {
                        ::core::result::Result::Ok(service) => service,
                        ::core::result::Result::Err(refusal) => return refusal,
                    };
                    let arg0 = match __nest::http::extract_part::<
                        Path<u64>,
                    >(&mut request)
                        .await
                    {
                        ::core::result::Result::Ok(value) => value,
                        ::core::result::Result::Err(refusal) => return refusal,
                    };
                    let arg1 = match __nest::http::extract::<
                        Json<Vec<Gateway>>,
                        _,
                    >(request)
                        .await
                    {
                        ::core::result::Result::Ok(value) => value,
                        ::core::result::Result::Err(refusal) => return refusal,
                    };
                    match {
                        let outcome = <Gateway>::store(&svc, arg0, arg1);
                        let kind = (&&__nest::http::ResponseOutcomeOf(&outcome)).kind();
                        kind.split(outcome)
                    } {
                        ::core::result::Result::Ok(value) => {
                            let kind = (&&&&__nest::http::ResponseOf(&value)).kind();
                            kind.respond(value)
                        }
                        ::core::result::Result::Err(error) => {
                            let kind = (&&__nest::http::ErrorOf(&error)).kind();
                            kind.respond(error)
                        }
                    }
                }
            },
        )
    }
    fn put_store(
        svc: __nest::http::ServiceSource<Gateway>,
    ) -> __nest::http::MethodRouter {
        __nest::http::route(
            __nest::http::Method::Put,
            move |mut request: __nest::http::Request| {
                let svc = ::core::clone::Clone::clone(&svc);
                async move {
                    let (svc, _cx) = match __nest::http::service(&svc, &mut request) {
                        ::core::result::Result::Ok(service) => service,
                        ::core::result::Result::Err(refusal) => return refusal,
                    };
                    let arg0 = match __nest::http::extract_part::<
                        Path<u64>,
                    >(&mut request)
                        .await
                    {
                        ::core::result::Result::Ok(value) => value,
                        ::core::result::Result::Err(refusal) => return refusal,
                    };
                    let arg1 = match __nest::http::extract::<
                        Json<Vec<Gateway>>,
                        _,
                    >(request)
                        .await
                    {
                        ::core::result::Result::Ok(value) => value,
                        ::core::result::Result::Err(refusal) => return refusal,
                    };
                    match {
                        let outcome = <Gateway>::store(&svc, arg0, arg1);
                        let kind = (&&__nest::http::ResponseOutcomeOf(&outcome)).kind();
                        kind.split(outcome)
                    } {
                        ::core::result::Result::Ok(value) => {
                            let kind = (&&&&__nest::http::ResponseOf(&value)).kind();
                            kind.respond(value)
                        }
                        ::core::result::Result::Err(error) => {
                            let kind = (&&__nest::http::ErrorOf(&error)).kind();
                            kind.respond(error)
                        }
                    }
                }
            },
        )
    }
    #[cfg(unix)]
    fn delete_remove(
        svc: __nest::http::ServiceSource<Gateway>,
    ) -> __nest::http::MethodRouter {
        __nest::http::route(
            __nest::http::Method::Delete,
            move |mut request: __nest::http::Request| {
                let svc = ::core::clone::Clone::clone(&svc);
                async move {
                    let (svc, _cx) = match __nest::http::service(&svc, &mut request) {
                        ::core::result::Result::Ok(service) => service,
                        ::core::result::Result::Err(refusal) => return refusal,
                    };
                    let arg0 = match __nest::http::extract::<Path<u64>, _>(request).await
                    {
                        ::core::result::Result::Ok(value) => value,
                        ::core::result::Result::Err(refusal) => return refusal,
                    };
                    match {
                        let outcome = <Gateway>::r#remove(&svc, arg0).await;
                        let kind = (&&__nest::http::ResponseOutcomeOf(&outcome)).kind();
                        kind.split(outcome)
                    } {
                        ::core::result::Result::Ok(value) => {
                            let kind = (&&&&__nest::http::ResponseOf(&value)).kind();
                            kind.respond(value)
                        }
                        ::core::result::Result::Err(error) => {
                            let kind = (&&__nest::http::ErrorOf(&error)).kind();
                            kind.respond(error)
                        }
                    }
                }
            },
        )
    }
    struct __Block;
    #[automatically_derived]
    impl __nest::http::HttpRoutes for __Block {
        type Service = Gateway;
        const PREFIX: &'static str = "/math";
        const ROUTES: &'static [__nest::http::RouteDef<Gateway>] = &[
            __nest::http::RouteDef::new(
                __nest::http::Method::Get,
                "/sum",
                "Gateway::sum",
                get_sum,
            ),
            __nest::http::RouteDef::new(
                __nest::http::Method::Post,
                "",
                "Gateway::store",
                post_store,
            ),
            __nest::http::RouteDef::new(
                __nest::http::Method::Put,
                "/{id}",
                "Gateway::store",
                put_store,
            ),
            #[cfg(unix)]
            __nest::http::RouteDef::new(
                __nest::http::Method::Delete,
                "/{id}",
                "Gateway::remove",
                delete_remove,
            ),
        ];
    }
    #[__nest::linkme::distributed_slice(__nest::http::ROUTES)]
    #[linkme(crate = __nest::linkme)]
    static __SET: __nest::http::RouteSet = __nest::http::RouteSet::of::<__Block>();
};
impl Root {
    fn index(&self) -> &'static str {
        "hello"
    }
}
#[allow(deprecated, reason = "generated code names what its item has")]
const _: () = {
    use ::nestrs::__private as __nest;
    use __nest::http::{
        AxumError as _, AxumResponse as _, CallError as _, EmptyResponse as _,
        FallibleResponse as _, JsonResponse as _, PlainResponse as _,
    };
    fn get_index(svc: __nest::http::ServiceSource<Root>) -> __nest::http::MethodRouter {
        __nest::http::route(
            __nest::http::Method::Get,
            move |mut request: __nest::http::Request| {
                let svc = ::core::clone::Clone::clone(&svc);
                async move {
                    let (svc, _cx) = match __nest::http::service(&svc, &mut request) {
                        ::core::result::Result::Ok(service) => service,
                        ::core::result::Result::Err(refusal) => return refusal,
                    };
                    match {
                        let outcome = <Root>::index(&svc);
                        let kind = (&&__nest::http::ResponseOutcomeOf(&outcome)).kind();
                        kind.split(outcome)
                    } {
                        ::core::result::Result::Ok(value) => {
                            let kind = (&&&&__nest::http::ResponseOf(&value)).kind();
                            kind.respond(value)
                        }
                        ::core::result::Result::Err(error) => {
                            let kind = (&&__nest::http::ErrorOf(&error)).kind();
                            kind.respond(error)
                        }
                    }
                }
            },
        )
    }
    struct __Block;
    #[automatically_derived]
    impl __nest::http::HttpRoutes for __Block {
        type Service = Root;
        const PREFIX: &'static str = "";
        const ROUTES: &'static [__nest::http::RouteDef<Root>] = &[
            __nest::http::RouteDef::new(
                __nest::http::Method::Get,
                "",
                "Root::index",
                get_index,
            ),
        ];
    }
    #[__nest::linkme::distributed_slice(__nest::http::ROUTES)]
    #[linkme(crate = __nest::linkme)]
    static __SET: __nest::http::RouteSet = __nest::http::RouteSet::of::<__Block>();
};
impl Both {
    async fn find(&self, id: Id) -> Option<Order> {
        None
    }
    async fn place(&self, order: Order) {}
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
    fn find<'a>(
        svc: &'a ::std::sync::Arc<Both>,
        _cx: &'a __nest::ExecutionContext,
        payload: &'a __nest::Payload,
    ) -> __nest::BoxFuture<'a, __nest::HandlerResult> {
        ::std::boxed::Box::pin(async move {
            let arg0 = __nest::decode::<Id>(payload)?;
            let outcome = <Both>::find(svc, arg0).await;
            let kind = (&&__nest::OutcomeOf(&outcome)).kind();
            let value = kind.split(outcome)?;
            let kind = (&&&&__nest::ReplyOf(&value)).kind();
            kind.reply(value)
        })
    }
    fn place<'a>(
        svc: &'a ::std::sync::Arc<Both>,
        _cx: &'a __nest::ExecutionContext,
        payload: &'a __nest::Payload,
    ) -> __nest::BoxFuture<'a, __nest::HandlerResult> {
        ::std::boxed::Box::pin(async move {
            let arg0 = __nest::decode::<Order>(payload)?;
            let outcome = <Both>::place(svc, arg0).await;
            let kind = (&&__nest::OutcomeOf(&outcome)).kind();
            let value = kind.split(outcome)?;
            let kind = (&&&&__nest::ReplyOf(&value)).kind();
            kind.reply(value)
        })
    }
    struct __Block;
    #[automatically_derived]
    impl __nest::MicroRoutes for __Block {
        type Service = Both;
        const HANDLERS: &'static [__nest::HandlerDef] = &[
            __nest::HandlerDef::message(
                &[__nest::PatternLiteral::Text("orders.find")],
                "Both::find",
                |mounting| { __nest::mount(mounting, (), (), (), (), find) },
            ),
            __nest::HandlerDef::message(
                &[__nest::PatternLiteral::Text("orders.place")],
                "Both::place",
                |mounting| {
                    __nest::mount(
                        mounting,
                        (),
                        ((&&&&__nest::Stage::<TokenGuard>::new()).guard(), ()),
                        (),
                        (),
                        place,
                    )
                },
            ),
        ];
    }
    #[__nest::linkme::distributed_slice(__nest::HANDLERS)]
    #[linkme(crate = __nest::linkme)]
    static __SET: __nest::HandlerSet = __nest::HandlerSet::of::<__Block>();
};
#[allow(deprecated, reason = "generated code names what its item has")]
const _: () = {
    use ::nestrs::__private as __nest;
    use __nest::http::{
        AxumError as _, AxumResponse as _, CallError as _, EmptyResponse as _,
        FallibleResponse as _, JsonResponse as _, PlainResponse as _,
    };
    fn get_find(svc: __nest::http::ServiceSource<Both>) -> __nest::http::MethodRouter {
        __nest::http::route(
            __nest::http::Method::Get,
            move |mut request: __nest::http::Request| {
                let svc = ::core::clone::Clone::clone(&svc);
                async move {
                    let (svc, _cx) = match __nest::http::service(&svc, &mut request) {
                        ::core::result::Result::Ok(service) => service,
                        ::core::result::Result::Err(refusal) => return refusal,
                    };
                    let arg0 = match __nest::http::extract::<Id, _>(request).await {
                        ::core::result::Result::Ok(value) => value,
                        ::core::result::Result::Err(refusal) => return refusal,
                    };
                    match {
                        let outcome = <Both>::find(&svc, arg0).await;
                        let kind = (&&__nest::http::ResponseOutcomeOf(&outcome)).kind();
                        kind.split(outcome)
                    } {
                        ::core::result::Result::Ok(value) => {
                            let kind = (&&&&__nest::http::ResponseOf(&value)).kind();
                            kind.respond(value)
                        }
                        ::core::result::Result::Err(error) => {
                            let kind = (&&__nest::http::ErrorOf(&error)).kind();
                            kind.respond(error)
                        }
                    }
                }
            },
        )
    }
    struct __Block;
    #[automatically_derived]
    impl __nest::http::HttpRoutes for __Block {
        type Service = Both;
        const PREFIX: &'static str = "/orders";
        const ROUTES: &'static [__nest::http::RouteDef<Both>] = &[
            __nest::http::RouteDef::new(
                __nest::http::Method::Get,
                "/{id}",
                "Both::find",
                get_find,
            ),
        ];
    }
    #[__nest::linkme::distributed_slice(__nest::http::ROUTES)]
    #[linkme(crate = __nest::linkme)]
    static __SET: __nest::http::RouteSet = __nest::http::RouteSet::of::<__Block>();
};
