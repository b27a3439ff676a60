//! A Redis server that is absent, stopped, killed, frozen, and back.

use std::sync::atomic::Ordering;
use std::time::Instant;

use nestrs::microservices::ServerStatus;
use serde_json::Value;

use super::raw::Onlooker;
use super::*;

#[tokio::test]
async fn br_1_a_service_waits_for_its_server_and_gives_up_in_time() {
    if broker().await.is_none() {
        return;
    }
    let mut broker = Broker::absent(Redis::new()).unwrap();
    let short = server(&broker).startup_timeout(Duration::from_millis(80));
    let error = NestFactory::create_microservice_redis::<ContractModule>(short).start().await.unwrap_err().to_string();
    assert!(error.contains("connection refused") && error.contains(&broker.address()), "{error}");

    let starting = tokio::spawn(serve::<ContractModule>(server(&broker).wait_forever(true)));
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(!starting.is_finished());
    broker.restart().await.unwrap();
    let app = starting.await.unwrap();
    assert_eq!(client(to(&broker)).send::<_, i64>("echo", &7).await.unwrap(), 7);
    app.close().await;
}

#[tokio::test]
async fn cl_1_a_client_without_a_server_says_so_soon_and_that_nothing_was_sent() {
    if broker().await.is_none() {
        return;
    }
    let mut broker = Broker::absent(Redis::new()).unwrap();
    let client = client(to(&broker));
    let error = client.send::<_, Value>("echo", &1).await.unwrap_err();
    assert_eq!((error.kind(), error.sent()), (ErrorKind::Unavailable, Some(Sent::No)));
    assert!(error.to_string().contains("connection refused"), "{error}");
    broker.restart().await.unwrap();
    assert_eq!(client.send::<_, Value>("echo", &1).await.unwrap_err().kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn br_2_br_3_killed_and_back_pending_calls_fail_and_all_is_subscribed_before_connected() {
    let Some(mut broker) = broker().await else { return };
    let app = serve::<CallsModule>(server(&broker)).await;
    let calls = app.get::<Calls>().unwrap();
    let service = app.servers().get("redis").unwrap().clone();
    let client = client(to(&broker));
    assert_eq!(client.send::<_, i64>("echo", &1).await.unwrap(), 1);
    for cycle in 1..=2 {
        let pending: Vec<_> = (0..20)
            .map(|_| {
                let client = client.clone();
                tokio::spawn(async move { client.send::<_, String>("hold", &1).await })
            })
            .collect();
        until(|| calls.started.load(Ordering::Relaxed) == 20 * cycle).await;
        broker.kill().await.unwrap();
        let lost = Instant::now();
        for call in pending {
            let error = call.await.unwrap().unwrap_err();
            assert_eq!((error.kind(), error.sent()), (ErrorKind::ConnectionClosed, Some(Sent::Maybe)));
        }
        assert!(lost.elapsed() < Duration::from_millis(500), "{:?}", lost.elapsed());
        assert_eq!(client.stats().pending, 0);
        until(|| service.current_status() != ServerStatus::Listening).await;
        let error = client.emit("nobody", &1).await.unwrap_err();
        assert_eq!(error.sent(), Some(Sent::No), "{error}");

        broker.restart().await.unwrap();
        let back = Instant::now();
        becomes(&client, |status| *status == ClientStatus::Connected).await;
        until(|| service.current_status() == ServerStatus::Listening).await;
        assert_eq!(client.send::<_, i64>("echo", &2).await.unwrap(), 2);
        assert!(back.elapsed() < Duration::from_secs(2), "{:?}", back.elapsed());
    }
    assert_eq!(client.stats().lost_connections, 2);
    calls.release.notify_waiters();
    app.close().await;
}

#[tokio::test]
async fn br_3_the_reply_channels_of_before_are_listened_to_before_connected_is_said() {
    let Some(mut broker) = broker().await else { return };
    let app = serve::<ContractModule>(server(&broker)).await;
    let client = client(to(&broker));
    client.send::<_, Value>("echo", &1).await.unwrap();
    broker.stop().await.unwrap();
    becomes(&client, |status| matches!(status, ClientStatus::Disconnected(_))).await;
    broker.restart().await.unwrap();
    becomes(&client, |status| *status == ClientStatus::Connected).await;
    let service = app.servers().get("redis").unwrap().clone();
    until(|| service.current_status() == ServerStatus::Listening).await;
    let mut onlooker = Onlooker::of(&broker).await;
    client.send::<_, Value>("echo", &1).await.unwrap();
    let commands = onlooker.until_now(&broker).await;
    assert!(commands.iter().all(|words| words[0] == "PUBLISH"), "{commands:?}");
    app.close().await;
}

#[tokio::test]
async fn br_2_a_frozen_server_is_noticed_by_its_silence() {
    let Some(broker) = broker().await else { return };
    let ping = Duration::from_millis(60);
    let app = serve::<CallsModule>(server(&broker).ping_interval(ping)).await;
    let service = app.servers().get("redis").unwrap().clone();
    let options = to(&broker).ping_interval(ping).connect_timeout(ping);
    let client = client(options);
    assert_eq!(client.send::<_, i64>("echo", &1).await.unwrap(), 1);
    broker.pause().await.unwrap();
    let error = client.send::<_, Value>("echo", &1).await.unwrap_err();
    assert_eq!((error.kind(), error.sent()), (ErrorKind::ConnectionClosed, Some(Sent::Maybe)));
    until(|| service.current_status() != ServerStatus::Listening).await;
    broker.resume().await.unwrap();
    until(|| service.current_status() == ServerStatus::Listening).await;
    becomes(&client, |status| *status == ClientStatus::Connected).await;
    assert_eq!(client.send::<_, i64>("echo", &2).await.unwrap(), 2);
    app.close().await;
}

#[tokio::test]
async fn rd_1_events_during_a_loss_are_gone_and_their_emitters_know() {
    let Some(mut broker) = broker().await else { return };
    let app = serve::<ContractModule>(server(&broker)).await;
    let (contract, client) =
        (app.get::<Contract>().unwrap(), client(to(&broker).connect_wait(Duration::from_millis(20))));
    client.emit("user.created", &1).await.unwrap();
    until(|| contract.runs("user.created#1") == 1).await;
    broker.kill().await.unwrap();
    becomes(&client, |status| matches!(status, ClientStatus::Disconnected(_))).await;
    assert_eq!(client.emit("user.created", &2).await.unwrap_err().sent(), Some(Sent::No));
    broker.restart().await.unwrap();
    let service = app.servers().get("redis").unwrap().clone();
    until(|| service.current_status() == ServerStatus::Listening).await;
    becomes(&client, |status| *status == ClientStatus::Connected).await;
    client.emit("user.created", &3).await.unwrap();
    until(|| contract.runs("user.created#1") == 2).await;
    app.close().await;
}

#[tokio::test]
async fn a_reply_goes_by_the_next_session_where_only_the_service_was_cut_off() {
    let Some(broker) = broker().await else { return };
    let app = serve::<CallsModule>(server(&broker)).await;
    let calls = app.get::<Calls>().unwrap();
    let service = app.servers().get("redis").unwrap().clone();
    let mut raw = super::raw::Raw::connect(&broker).await;
    // Everybody but us who is connected now, and that is the service.
    let clients = raw.command(&["CLIENT", "LIST"]).await[0].clone();
    let own = raw.command(&["CLIENT", "ID"]).await[0].clone();
    let ids = clients.lines().map(|line| line.split(' ').next().unwrap().trim_start_matches("id=").to_owned());
    let service_ids: Vec<_> = ids.filter(|id| *id != own).collect();
    assert_eq!(service_ids.len(), 2);

    let client = client(to(&broker));
    let held = tokio::spawn(async move { client.send::<_, String>("hold", &1).await });
    until(|| calls.started.load(Ordering::Relaxed) == 1).await;
    for id in &service_ids {
        raw.command(&["CLIENT", "KILL", "ID", id]).await;
    }
    until(|| service.current_status() != ServerStatus::Listening).await;
    calls.release.notify_one();
    assert_eq!(held.await.unwrap().unwrap(), "held");
    app.close().await;
}

#[tokio::test]
async fn br_8_a_service_that_ends_takes_nothing_more_and_answers_what_it_has() {
    let Some(broker) = broker().await else { return };
    let app = serve::<CallsModule>(server(&broker).grace_period(PATIENCE)).await;
    let calls = app.get::<Calls>().unwrap();
    let client = client(to(&broker));
    let held = tokio::spawn({
        let client = client.clone();
        async move { client.send::<_, String>("hold", &1).await }
    });
    until(|| calls.started.load(Ordering::Relaxed) == 1).await;
    let closing = tokio::spawn(app.close());
    let refused = async {
        loop {
            match client.send::<_, Value>("echo", &1).await {
                Ok(_) => tokio::task::yield_now().await,
                Err(error) => return error,
            }
        }
    };
    let error = tokio::time::timeout(PATIENCE, refused).await.unwrap();
    assert_eq!((error.kind(), error.sent()), (ErrorKind::NotFound, Some(Sent::No)));
    assert!(!closing.is_finished());
    calls.release.notify_one();
    assert_eq!(held.await.unwrap().unwrap(), "held");
    closing.await.unwrap();
    client.close().await;
    let closed = client.send::<_, Value>("echo", &1).await.unwrap_err();
    assert_eq!(closed.kind(), ErrorKind::Closed);
}

#[tokio::test]
async fn sd_8_nothing_is_left_of_a_service_and_a_client_that_are_closed() {
    let Some(broker) = broker().await else { return };
    let clean = support::clean::Clean::tasks();
    let app = serve::<ContractModule>(server(&broker)).await;
    let client = client(to(&broker).reply_channels(1));
    for pattern in ["echo", "none", "echo"] {
        client.send::<_, Value>(pattern, &1).await.unwrap();
    }
    client.close().await;
    app.close().await;
    drop(client);
    clean.check().await;
}
