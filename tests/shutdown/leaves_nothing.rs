//! What an application leaves behind: nothing.

use super::*;

/// Uses everything, and leaves it under way.
async fn use_and_close() {
    let app =
        hybrid(free_port().grace_period(Duration::from_millis(50))).enable_shutdown_hooks().start().await.unwrap();
    let service = app.get::<Service>().unwrap();
    let client = client_of(&app);
    client.send::<_, u32>("echo", &1).await.unwrap();
    client.emit("nobody", &1).await.unwrap();
    let mut idle = Peer::connect(app.address("tcp").unwrap()).await;
    idle.expect_alive().await;
    let mut half = Peer::connect(app.address("tcp").unwrap()).await;
    half.send("100#{").await;
    let mut hanging = Peer::connect(app.address("tcp").unwrap()).await;
    hanging.send_frames(&[r#"{"pattern":"hang","id":1,"metadata":{"nestrs-timeout-ms":"10"}}"#]).await;
    service.hung.notified().await;
    let mut page = TcpStream::connect(app.address("http").unwrap()).await.unwrap();
    page.write_all(b"GET /pages/hang HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    service.hung.notified().await;
    let silent = TcpStream::connect(app.address("http").unwrap()).await.unwrap();
    app.get::<EventBus>().unwrap().emit("an.event", 1);
    let started = Instant::now();
    app.close().await;
    assert!(started.elapsed() < Duration::from_millis(1050), "{:?}", started.elapsed());
    client.close().await;
    drop((idle, half, hanging, page, silent));
}

#[tokio::test]
async fn sd_8_after_close_the_process_is_as_before() {
    let clean = Clean::begin().await;
    use_and_close().await;
    clean.check().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sd_8_after_close_the_process_is_as_before_with_several_threads() {
    let clean = Clean::begin().await;
    for _ in 0..3 {
        use_and_close().await;
    }
    clean.check().await;
}

#[tokio::test]
async fn sd_8_a_start_that_fails_and_an_application_that_is_dropped_leave_nothing_either() {
    let clean = Clean::begin().await;
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let busy = taken.local_addr().unwrap().to_string();
    hybrid(free_port()).connect_microservice(TcpMicroserviceOptions::bind(&busy)).start().await.unwrap_err();
    let dropped = hybrid(free_port()).enable_shutdown_hooks().start().await.unwrap();
    let mut peer = Peer::connect(dropped.address("tcp").unwrap()).await;
    peer.expect_alive().await;
    drop((dropped, peer, taken));
    clean.check().await;
}

/// Peers that keep their connections, in whatever state these are.
#[tokio::test]
async fn sd_8_http_requests_that_never_end_do_so_though_their_callers_stay() {
    let _turn = Clean::begin().await;
    let clean = Clean::tasks();
    let app = hybrid(free_port().grace_period(Duration::from_millis(50))).start().await.unwrap();
    let service = app.get::<Service>().unwrap();
    let mut pages = Vec::new();
    for request in [
        // One behind the one that hangs.
        "GET /pages/hang HTTP/1.1\r\nhost: x\r\n\r\n".repeat(2),
        "POST /pages/body HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\nhalf".to_owned(),
        "GET /pages/stream HTTP/1.1\r\nhost: x\r\n\r\n".repeat(2),
    ] {
        let mut page = TcpStream::connect(app.address("http").unwrap()).await.unwrap();
        page.write_all(request.as_bytes()).await.unwrap();
        service.hung.notified().await;
        pages.push(page);
    }
    let started = Instant::now();
    app.close().await;
    assert!(started.elapsed() < Duration::from_millis(1050), "{:?}", started.elapsed());
    clean.check().await;
    drop(pages);
}
