//! `ClientsModule`: clients by name and by type, from options that are there and from options made at boot.

mod support;

use std::sync::Arc;

use nestrs::ListenError;
use nestrs::microservices::{AsyncClientConfig, ClientConfig, TcpTransportOptions};
use nestrs::prelude::*;

use support::contract::ContractModule;

thread_local! {
    /// Where the contract is served.
    static CONTRACT: std::cell::RefCell<String> = const { std::cell::RefCell::new(String::new()) };
}

struct Config {
    contract: String,
}

#[module(
    providers = [Provider::factory(|| Config { contract: CONTRACT.with_borrow(Clone::clone) })],
    exports = [Config],
)]
struct ConfigModule;

/// Reads its address from the configuration, and takes its time.
fn contract(name: &'static str) -> AsyncClientConfig {
    AsyncClientConfig::new(name, |config: Arc<Config>| async move {
        tokio::task::yield_now().await;
        Ok::<_, TransportError>(ClientConfig::tcp("another name", TcpTransportOptions::to(&config.contract)))
    })
}

#[injectable]
struct Shop {
    client: Arc<ClientProxy>,
    #[inject("CONTRACT")]
    named: Arc<ClientProxy>,
    clients: Arc<ClientsService>,
}

#[module(
    imports = [ClientsModule::register_async([contract("CONTRACT")]).import::<ConfigModule>()],
    providers = [Shop],
)]
struct ShopModule;

#[tokio::test]
async fn a_client_made_at_boot_is_injected_by_type_by_name_and_looked_up() {
    let contract = support::serve::<ContractModule>().await;
    CONTRACT.set(contract.address("tcp").unwrap().to_owned());
    let app = NestFactory::create::<ShopModule>().start("127.0.0.1:0").await.unwrap();
    let shop = app.get::<Shop>().unwrap();
    for client in [&*shop.client, &*shop.named, &shop.clients.expect("CONTRACT")] {
        assert_eq!(client.send::<_, u32>("echo", &7).await.unwrap(), 7);
    }
    assert_eq!(shop.client.stats().connections, 1, "they are one client");
    assert!(shop.clients.get("another name").is_none(), "it bears the name that it is registered under");
    app.close().await;
    contract.close().await;
}

#[module(
    imports = [ClientsModule::register_async([contract("ONE"), contract("OTHER")]).import::<ConfigModule>()],
)]
struct TwoModule;

#[tokio::test]
async fn of_two_clients_made_at_boot_none_is_the_default() {
    let app = NestFactory::create::<TwoModule>().start("127.0.0.1:0").await.unwrap();
    let clients = app.get::<ClientsService>().unwrap();
    assert!(clients.get("ONE").is_some() && clients.get("OTHER").is_some());
    assert!(app.get::<ClientProxy>().is_none());
    assert!(app.get_named::<ClientProxy>("OTHER").is_some());
    app.close().await;
}

fn nowhere() -> AsyncClientConfig {
    AsyncClientConfig::new("NOWHERE", || async { Err::<ClientConfig, _>("the registry does not know it") })
}

#[module(imports = [ClientsModule::register_async([nowhere()])], providers = [Shop])]
struct NowhereModule;

#[tokio::test]
async fn a_client_that_cannot_be_configured_is_a_problem_of_boot() {
    let error = NestFactory::create::<NowhereModule>().start("127.0.0.1:0").await.unwrap_err();
    let ListenError::Boot(error) = &error else { panic!("{error}") };
    let problems = error.to_string();
    assert!(problems.contains("`CONTRACT`"), "what nobody provides: {problems}");
    assert_eq!(error.problems().len(), 1, "nothing is made before the graph is right: {problems}");

    #[module(imports = [ClientsModule::register_async([nowhere()])])]
    struct AloneModule;
    let error = NestFactory::create::<AloneModule>().start("127.0.0.1:0").await.unwrap_err().to_string();
    assert!(error.contains("NOWHERE") && error.contains("the registry does not know it"), "{error}");
}
