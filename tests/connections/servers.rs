//! What state a server is in.

use super::*;

/// Accepts what it is given, and fails when it is told to.
struct Fragile {
    socket: TcpListener,
    broken: Option<oneshot::Receiver<()>>,
}

impl Listener for Fragile {
    fn accept(&mut self) -> Pin<Box<dyn Future<Output = std::io::Result<Option<Accepted>>> + Send + '_>> {
        Box::pin(async {
            let Some(broken) = &mut self.broken else { return Err(std::io::Error::other("pulled out")) };
            tokio::select! {
                _ = broken => Err(std::io::Error::other("pulled out")),
                accepted = Listener::accept(&mut self.socket) => accepted,
            }
        })
    }

    fn local_addr(&self) -> Option<SocketAddr> {
        self.socket.local_addr().ok()
    }
}

#[tokio::test]
async fn sd_7_a_transport_that_is_lost_leaves_the_others_serving_and_health_tells_which() {
    let (break_it, broken) = oneshot::channel();
    let fragile = Fragile { socket: TcpListener::bind("127.0.0.1:0").await.unwrap(), broken: Some(broken) };
    let app = NestFactory::create::<ContractModule>()
        .enable_health_check("/health")
        .connect_microservice(free_port().listener(fragile))
        .connect_microservice(free_port())
        .start("127.0.0.1:0")
        .await
        .unwrap();
    let http = app.address("http").unwrap().to_owned();
    let servers: Vec<ServerHandle> = app.servers().iter().cloned().collect();
    let [lost, kept, _http] = servers.as_slice() else { panic!("{servers:?}") };
    let health = |first: &str, second: &str| json!([{ "transport": "tcp", "status": first }, { "transport": "tcp", "status": second }]);
    assert_eq!(get(&http, "/health").await, (200, json!({ "status": "ok" })));

    let mut on_the_lost_one = Peer::connect(lost.address()).await;
    on_the_lost_one.expect_alive().await;
    let mut statuses = lost.status();
    assert_eq!(statuses.next().await, Some(ServerStatus::Listening));
    break_it.send(()).unwrap();
    assert_eq!(statuses.next().await, Some(ServerStatus::Failed));

    let (status, body) = get(&http, "/health").await;
    assert_eq!((status, &body["status"], &body["servers"]), (503, &json!("error"), &health("failed", "listening")));
    // What is open on the lost one goes on, and so do the others.
    on_the_lost_one.expect_alive().await;
    Peer::connect(kept.address()).await.expect_alive().await;
    assert_eq!(get(&http, "/nothing").await.0, 404);
    app.close().await;
    assert_eq!(servers.iter().map(ServerHandle::current_status).collect::<Vec<_>>(), [ServerStatus::Closed; 3]);
}

#[tokio::test]
async fn a_server_says_each_state_once_and_in_order() {
    let app = serve_with::<ContractModule>(free_port().grace_period(Duration::from_millis(200))).await;
    let server = tcp(&app);
    let mut peer = Peer::connect(server.address()).await;
    peer.send_frames(&[r#"{"pattern":"hang","data":0,"id":1}"#]).await;
    eventually(&server, "a call is under way", |stats| stats.in_flight == 1).await;
    let statuses = tokio::spawn(server.status().collect::<Vec<_>>());
    tokio::task::yield_now().await;
    app.close().await;
    let statuses = tokio::time::timeout(PATIENCE, statuses).await.expect("it ends").unwrap();
    assert_eq!(statuses, [ServerStatus::Listening, ServerStatus::Draining, ServerStatus::Closed]);
    // Whoever asks later hears the end.
    assert_eq!(server.status().collect::<Vec<_>>().await, [ServerStatus::Closed]);
    server.set_status(ServerStatus::Listening);
    assert_eq!(server.current_status(), ServerStatus::Closed, "nothing follows the end");
}

#[tokio::test]
async fn sd_8_after_close_the_registry_is_empty_and_nobody_is_told_anything_more() {
    let diary = Diary::default();
    let options = free_port().grace_period(Duration::from_millis(50)).observer(diary.clone());
    let app = serve_with::<ContractModule>(options).await;
    let server = tcp(&app);
    let mut events = server.events();
    let mut peers = Vec::new();
    for _ in 0..20 {
        let mut peer = Peer::connect(server.address()).await;
        // Handlers that never end, and peers that never leave.
        peer.send_frames(&[r#"{"pattern":"hang","data":0,"id":1}"#]).await;
        peers.push(peer);
    }
    eventually(&server, "all hang", |stats| stats.in_flight == 20).await;
    app.close().await;
    assert_eq!((server.connections(), server.current_status()), (vec![], ServerStatus::Closed));
    let stats = server.stats();
    assert_eq!((stats.open, stats.in_flight, stats.closed(CloseReason::Shutdown)), (0, 0, 20));
    let mut told = Vec::new();
    while let Some(event) = events.next().await {
        told.push(event);
    }
    assert_eq!((told.len(), diary.lines().len()), (40, 40));
    assert_eq!(server.events().next().await, None);
}

#[injectable]
struct Health {
    servers: Arc<Servers>,
}

#[controller("/servers")]
impl Health {
    #[get]
    async fn states(&self) -> Vec<String> {
        let line = |server: &ServerHandle| format!("{} {}", server.transport(), server.current_status());
        self.servers.iter().map(line).collect()
    }
}

#[module(controllers = [Health])]
struct HealthModule;

#[tokio::test]
async fn servers_are_injected_and_a_shared_address_is_that_of_both() {
    let address = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().to_string();
    let app = NestFactory::create::<HealthModule>()
        .connect_microservice(TcpMicroserviceOptions::bind(&address))
        .start(address.as_str())
        .await
        .unwrap();
    assert_eq!(get(&address, "/servers").await, (200, json!(["tcp listening", "http listening"])));
    let addresses: Vec<_> = app.servers().iter().map(ServerHandle::address).collect();
    assert_eq!(addresses, [&address, &address]);
    // HTTP's connections are none of the message server's.
    assert_eq!(tcp(&app).stats().accepted, 0);
    assert!(app.get::<Servers>().is_some());
    app.close().await;
}
