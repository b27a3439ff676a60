//! How a client comes to those who call by it.

use super::*;

#[injectable]
struct Gateway {
    orders: Arc<OrdersClient>,
    #[inject("SECOND")]
    second: Arc<OrdersClient>,
}

#[tokio::test]
async fn a_client_is_injected_over_the_connection_that_its_contract_names_or_its_provider() {
    static ADDRESSES: Mutex<Vec<String>> = Mutex::new(Vec::new());

    struct GatewayModule;
    impl nestrs::Module for GatewayModule {
        fn define() -> nestrs::ModuleDef {
            let addresses = ADDRESSES.lock().unwrap();
            let [first, second] = [&addresses[0], &addresses[1]].map(|address| TcpTransportOptions::to(address));
            nestrs::ModuleDef::new::<Self>()
                .import_dynamic(ClientsModule::register(&[
                    ClientConfig::tcp("ORDERS", first),
                    ClientConfig::tcp("ORDERS_2", second),
                ]))
                .provide(Provider::class::<OrdersClient>())
                .provide(OrdersClient::provider("ORDERS_2").named("SECOND"))
                .provide(Provider::class::<Gateway>())
        }
    }

    let (one, two) = (serve::<OrdersModule>().await, serve::<OrdersModule>().await);
    *ADDRESSES.lock().unwrap() = [&one, &two].map(|app| app.address("tcp").unwrap().to_owned()).into();
    let app = serve::<GatewayModule>().await;
    let gateway = app.get::<Gateway>().unwrap();
    gateway.orders.create(order("a")).await.unwrap();
    gateway.orders.create(order("b")).await.unwrap();
    gateway.second.create(order("c")).await.unwrap();
    assert_eq!((gateway.orders.count().await.unwrap(), gateway.second.count().await.unwrap()), (2, 1));
    assert_eq!((gateway.orders.proxy().name(), OrdersClient::CLIENT), ("ORDERS", Some("ORDERS")));
    for app in [app, one, two] {
        app.close().await;
    }
}

#[tokio::test]
async fn a_contract_without_a_name_takes_the_only_client_and_misses_it_at_boot() {
    #[module(
        imports = [ClientsModule::register(&[ClientConfig::tcp("ANY", TcpTransportOptions::to("127.0.0.1:1"))])],
        providers = [HealthClient],
    )]
    struct OneClient;
    #[module(providers = [HealthClient, OrdersClient])]
    struct NoClient;

    let app = serve::<OneClient>().await;
    assert_eq!(ContractClient::proxy(&*app.get::<HealthClient>().unwrap()).name(), "ANY");
    app.close().await;
    let options = TcpMicroserviceOptions::bind("127.0.0.1:0");
    let error = NestFactory::create_microservice::<NoClient>(options).start().await.unwrap_err();
    let text = format!("{error} {:?}", std::error::Error::source(&error).map(ToString::to_string));
    assert!(text.contains("`HealthClient` needs `Arc<ClientProxy>` for its contract"), "{text}");
    assert!(text.contains("`OrdersClient` needs `ClientProxy` named `ORDERS` for its contract"), "{text}");
}
