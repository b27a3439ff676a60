#[module]
pub struct Bare;

#[module(
    imports = [
        ConfigModule,
        users::UsersModule,
        ClientsModule::register(&[ClientConfig::tcp("billing", TcpTransportOptions::default())]),
        register(config),
        { CACHED },
    ],
    providers = [
        OrdersService,
        Repo<Order>,
        PgRepository as dyn Repository,
        Provider::value(8_u32).named("WORKERS"),
        Provider::factory(|config: Arc<Config>| Pool::new(&config)),
    ],
    controllers = [OrdersController],
    microservices = [OrdersService, handlers::Shipping,],
    exports = [OrdersService, dyn Repository, ConfigModule, "WORKERS"],
    global,
)]
struct OrdersModule;

#[module(global = false, crate = nest_framework, exports = [], imports = [ConfigModule])]
#[cfg(unix)]
struct Local;
