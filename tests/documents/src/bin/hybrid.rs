use nestrs::microservices::TcpMicroserviceOptions;
use nestrs::prelude::*;

#[module]
struct AppModule;

#[tokio::main]
async fn main() {
    NestFactory::create_microservice::<AppModule>(TcpMicroserviceOptions::default())
        .also_listen_http(3000)
        .configure_http(|app| {
            app.set_global_prefix("api").enable_health_check("/health").enable_cors(CorsOptions::permissive())
        })
        .listen()
        .await;
}
