pub struct Bare;
#[allow(deprecated, reason = "generated code names what its item has")]
const _: () = {
    use ::nestrs::__private as __nest;
    #[automatically_derived]
    impl __nest::Module for Bare {
        fn define() -> __nest::ModuleDef {
            __nest::ModuleDef::new::<Self>()
        }
    }
};
struct OrdersModule;
#[allow(deprecated, reason = "generated code names what its item has")]
const _: () = {
    use ::nestrs::__private as __nest;
    #[automatically_derived]
    impl __nest::Module for OrdersModule {
        fn define() -> __nest::ModuleDef {
            __nest::ModuleDef::new::<Self>()
                .import::<ConfigModule>()
                .import::<users::UsersModule>()
                .import_dynamic(
                    ClientsModule::register(
                        &[ClientConfig::tcp("billing", TcpTransportOptions::default())],
                    ),
                )
                .import_dynamic(register(config))
                .import_dynamic({ CACHED })
                .provide(__nest::Provider::class::<OrdersService>())
                .provide(__nest::Provider::class::<Repo<Order>>())
                .provide(
                    __nest::Provider::class_as::<PgRepository, dyn Repository>(|it| it),
                )
                .provide(Provider::value(8_u32).named("WORKERS"))
                .provide(Provider::factory(|config: Arc<Config>| Pool::new(&config)))
                .controller::<OrdersController>()
                .microservice::<OrdersService>()
                .microservice::<handlers::Shipping>()
                .export::<OrdersService>()
                .export::<dyn Repository>()
                .export::<ConfigModule>()
                .export_named("WORKERS")
                .global()
        }
    }
};
#[cfg(unix)]
struct Local;
#[cfg(unix)]
#[allow(deprecated, reason = "generated code names what its item has")]
const _: () = {
    use ::nest_framework::__private as __nest;
    #[automatically_derived]
    impl __nest::Module for Local {
        fn define() -> __nest::ModuleDef {
            __nest::ModuleDef::new::<Self>().import::<ConfigModule>()
        }
    }
};
