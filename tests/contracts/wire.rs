//! The bytes of a contract are those of its patterns.

use super::*;

/// Takes `calls` frames off a socket, without their ids, which are random.
async fn frames(listener: &tokio::net::TcpListener, calls: usize) -> Vec<String> {
    use tokio::io::AsyncReadExt;
    let (mut socket, _) = tokio::time::timeout(PATIENCE, listener.accept()).await.expect("a client comes").unwrap();
    let mut frames = Vec::new();
    while frames.len() < calls {
        let mut len = String::new();
        loop {
            match tokio::time::timeout(PATIENCE, socket.read_u8()).await.expect("a frame comes").unwrap() {
                b'#' => break,
                digit => len.push(digit.into()),
            }
        }
        let mut body = vec![0; len.parse().unwrap()];
        socket.read_exact(&mut body).await.unwrap();
        let body = String::from_utf8(body).unwrap();
        frames.push(match body.split_once(r#","id":""#) {
            Some((message, id)) => format!("{message} with an id of {}", id.len()),
            None => body,
        });
    }
    frames
}

/// A client over TCP without a timeout worth waiting for.
fn client(address: &str) -> ClientProxy {
    ClientProxy::new(Arc::new(TcpTransport::new(TcpTransportOptions::to(address))))
}

#[tokio::test]
async fn a_contracts_calls_are_the_bytes_of_the_same_calls_by_pattern() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();

    let orders = OrdersClient::new(client(&address));
    let by_contract = tokio::spawn(async move {
        let _ = orders.paid(7).await;
        let _ = orders.r#where().await;
        let _ = tokio::join!(orders.create(order("pen")), orders.count(), orders.find(1), orders.clear(), async {
            let _kept = orders.watch(3).await;
            let _kept = orders.with_metadata("a", "b").numbers(4).await;
            std::future::pending::<()>().await;
        });
    });
    let from_contract = frames(&listener, 8).await;
    by_contract.abort();

    let proxy = client(&address);
    let by_pattern = tokio::spawn(async move {
        let _ = proxy.emit("orders.paid", &7).await;
        let _ = proxy.emit(pattern!({ event: "closed" }), &()).await;
        let data = json!({ "item": "pen" });
        let create = proxy.send::<_, Value>(pattern!({ entity: "order", cmd: "create" }), &data);
        let count = proxy.send::<_, Value>("orders.count", &());
        let find = proxy.send::<_, Value>("orders.find", &1);
        let _ = tokio::join!(create, count, find, proxy.send::<_, Value>("orders.clear", &()), async {
            let _kept = proxy.send_stream::<_, Value>(pattern!({ cmd: "orders.watch" }), &3).await;
            let with_metadata = proxy.with_metadata("a", "b");
            let _kept = with_metadata.send_stream::<_, Value>("orders.numbers", &4).await;
            std::future::pending::<()>().await;
        });
    });
    let from_pattern = frames(&listener, 8).await;
    by_pattern.abort();

    assert_eq!(from_contract, from_pattern);
    assert!(from_contract[0].starts_with(r#"{"pattern":"orders.paid","data":7"#), "{from_contract:?}");
    assert!(from_contract[2].contains(r#"{"pattern":{"entity":"order","cmd":"create"},"data":{"item":"pen"}"#));
}

#[tokio::test]
async fn a_peer_that_knows_nothing_of_contracts_is_served_by_every_pattern() {
    let app = serve::<OrdersModule>().await;
    let mut peer = Peer::connect(app.address("tcp").unwrap()).await;
    peer.send_frames(&[r#"{"pattern":{"cmd":"create","entity":"order"},"data":{"item":"a"},"id":"1"}"#]).await;
    peer.expect(r#"59#{"response":{"id":1,"item":"a"},"isDisposed":true,"id":"1"}"#).await;
    peer.send_frames(&[r#"{"pattern":"orders.create","data":{"item":"unicorn"},"id":"2"}"#]).await;
    let err = r#"{"status":"error","message":"out of stock","details":{"code":"OUT_OF_STOCK","item":"unicorn"}}"#;
    let refused = format!(r#"{{"err":{err},"isDisposed":true,"id":"2"}}"#);
    peer.expect(&support::raw::frame(&refused)).await;
    peer.send_frames(&[r#"{"pattern":"orders.clear","id":"3"}"#]).await;
    peer.expect(r#"28#{"isDisposed":true,"id":"3"}"#).await;
    app.close().await;
}

#[tokio::test]
async fn every_pattern_is_mounted_as_what_the_contract_says_it_is() {
    let app = nestrs::boot(<OrdersModule as nestrs::Module>::define(), Default::default()).await.unwrap();
    let mut routes: Vec<_> =
        app.routes.iter().map(|route| format!("{:?} {} {}", route.kind, route.pattern, route.handler)).collect();
    routes.sort();
    let expected = [
        r#"Event orders.paid OrdersService::paid"#,
        r#"Event {"event":"closed"} OrdersService::where"#,
        r#"Message health OrdersService::health"#,
        r#"Message health.proxy OrdersService::proxy"#,
        r#"Message orders.clear OrdersService::clear"#,
        r#"Message orders.count OrdersService::count"#,
        r#"Message orders.create OrdersService::create"#,
        r#"Message orders.find OrdersService::find"#,
        r#"Message orders.numbers OrdersService::numbers"#,
        r#"Message own OrdersService::own"#,
        r#"Message {"cmd":"create","entity":"order"} OrdersService::create"#,
        r#"Message {"cmd":"orders.watch"} OrdersService::watch"#,
    ];
    assert_eq!(routes, expected);
}
