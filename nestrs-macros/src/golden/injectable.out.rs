/// Holds one field of every kind.
#[derive(Debug)]
pub struct Orders<T: Clone + Send, const N: usize = 4>
where
    T: Repository + Sync + 'static,
{
    pub clock: Arc<Clock>,
    repository: std::sync::Arc<dyn Repository + Send + Sync>,
    generic: Option<Arc<T>>,
    math: ClientProxy,
    billing: Arc<ClientProxy>,
    audit: Option<Arc<dyn Audit>>,
    count: AtomicU64,
    cache: Arc<Cache>,
    slots: [u8; N],
    #[cfg(feature = "metrics")]
    metrics: Arc<Metrics>,
}
#[allow(deprecated, reason = "generated code names what its item has")]
const _: () = {
    use ::nestrs::__private as __nest;
    #[automatically_derived]
    impl<T: Clone + Send, const N: usize> __nest::Injectable for Orders<T, N>
    where
        T: Repository + Sync + 'static,
    {
        fn dependencies() -> ::std::vec::Vec<__nest::Dependency> {
            ::core::convert::From::from([
                __nest::Dependency::required::<Clock>("clock"),
                __nest::Dependency::required::<
                    dyn Repository + Send + Sync,
                >("repository"),
                __nest::Dependency::required::<T>("generic").optional(),
                __nest::Dependency::named::<ClientProxy>("math", "MATH_SERVICE"),
                __nest::Dependency::named::<ClientProxy>("billing", "BILLING"),
                __nest::Dependency::named::<dyn Audit>("audit", "AUDIT").optional(),
                #[cfg(feature = "metrics")]
                __nest::Dependency::required::<Metrics>("metrics"),
            ])
        }
        fn construct(
            resolver: &__nest::Resolver<'_>,
        ) -> ::core::result::Result<Self, __nest::ResolveError> {
            ::core::result::Result::Ok(Self {
                clock: resolver.required::<Clock>()?,
                repository: resolver.required::<dyn Repository + Send + Sync>()?,
                generic: resolver.optional::<T>(),
                math: ::core::clone::Clone::clone(
                    &*resolver.named::<ClientProxy>("MATH_SERVICE")?,
                ),
                billing: resolver.named::<ClientProxy>("BILLING")?,
                audit: resolver.optional_named::<dyn Audit>("AUDIT"),
                count: __nest::defaulted::<AtomicU64>(),
                cache: __nest::defaulted::<Arc<Cache>>(),
                slots: [0; N],
                #[cfg(feature = "metrics")]
                metrics: resolver.required::<Metrics>()?,
            })
        }
    }
};
#[cfg(unix)]
struct Pair(Arc<Clock>, u32, Counter);
#[cfg(unix)]
#[allow(deprecated, reason = "generated code names what its item has")]
const _: () = {
    use crate::vendored::nestrs::__private as __nest;
    #[automatically_derived]
    impl __nest::Injectable for Pair {
        fn dependencies() -> ::std::vec::Vec<__nest::Dependency> {
            ::core::convert::From::from([
                __nest::Dependency::required::<Clock>("0"),
                __nest::Dependency::named::<u32>("1", "WORKERS"),
            ])
        }
        fn construct(
            resolver: &__nest::Resolver<'_>,
        ) -> ::core::result::Result<Self, __nest::ResolveError> {
            ::core::result::Result::Ok(
                Self(
                    resolver.required::<Clock>()?,
                    ::core::clone::Clone::clone(&*resolver.named::<u32>("WORKERS")?),
                    __nest::defaulted::<Counter>(),
                ),
            )
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
struct Empty {}
#[allow(deprecated, reason = "generated code names what its item has")]
const _: () = {
    use ::nestrs::__private as __nest;
    #[automatically_derived]
    impl __nest::Injectable for Empty {
        fn dependencies() -> ::std::vec::Vec<__nest::Dependency> {
            ::core::convert::From::from([])
        }
        fn construct(
            _resolver: &__nest::Resolver<'_>,
        ) -> ::core::result::Result<Self, __nest::ResolveError> {
            ::core::result::Result::Ok(Self {})
        }
        fn scope() -> __nest::ProviderScope {
            __nest::ProviderScope::Request
        }
        fn metadata() -> ::std::vec::Vec<__nest::ProviderMetadata> {
            ::core::convert::From::from([__nest::ProviderMetadata::new(Every(60))])
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
