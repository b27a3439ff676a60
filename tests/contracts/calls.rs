//! The generated client calls the service.

use super::*;

#[tokio::test]
async fn the_generated_client_calls_the_service_over_tcp() {
    let app = serve::<OrdersModule>().await;
    let proxy = client_of(&app);
    talk(&OrdersClient::new(proxy.clone()), &app.get().unwrap()).await;
    let health = HealthClient::new(proxy.clone());
    assert!(health.health().await.unwrap(), "a second contract of the same service");
    assert_eq!(health.with_timeout(PATIENCE).proxy().await.unwrap(), 3);
    assert_eq!(proxy.send::<_, String>("own", &()).await.unwrap(), "outside any contract");
    app.close().await;
}

#[tokio::test(start_paused = true)]
async fn the_generated_client_calls_the_service_in_memory() {
    let (server, transport) = memory_pair();
    let app = serve_with::<OrdersModule>(server).await;
    talk(&OrdersClient::new(ClientProxy::new(Arc::new(TcpTransport::new(transport)))), &app.get().unwrap()).await;
    app.close().await;
}

#[tokio::test]
async fn an_error_arrives_as_the_server_said_it_and_turns_into_the_contracts_own() {
    async fn buy(orders: &OrdersClient, item: &str) -> Result<Order, OrderError> {
        Ok(orders.create(order(item)).await?)
    }
    let app = serve::<OrdersModule>().await;
    let orders = OrdersClient::new(client_of(&app));
    let error: TransportError = orders.create(order("unicorn")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Remote);
    let expected = json!({ "status": "error", "message": "out of stock", "details": { "code": "OUT_OF_STOCK", "item": "unicorn" } });
    assert_eq!(error.details, Some(expected));
    assert_eq!(buy(&orders, "unicorn").await, Err(OrderError::OutOfStock("unicorn".to_owned())));
    app.close().await;
    assert!(matches!(buy(&orders, "unicorn").await, Err(OrderError::Call(_))));
}

#[tokio::test(start_paused = true)]
async fn a_call_has_its_own_timeout_and_metadata() {
    let (server, transport) = memory_pair();
    let app = serve_with::<OrdersModule>(server).await;
    let orders = OrdersClient::new(ClientProxy::new(Arc::new(TcpTransport::new(transport))));
    let started = tokio::time::Instant::now();
    let error = orders.with_timeout(Duration::from_millis(70)).find(404).await.unwrap_err();
    assert_eq!((error.kind(), started.elapsed().as_millis()), (ErrorKind::Timeout, 70));
    let nobody = orders.with_metadata("tenant", "nobody");
    assert_eq!(nobody.count().await.unwrap_err().message, "Forbidden resource", "guards of the block run");
    assert_eq!(orders.count().await.unwrap(), 0, "the client itself is as before");
    app.close().await;
}
