//! Wildcards, and the channels that replies come by.

use std::sync::Mutex;

use serde_json::{Value, json};

use super::raw::{Onlooker, Raw};
use super::*;
use nestrs::microservices::RedisContext;

#[injectable]
struct Orders {
    seen: Mutex<Vec<String>>,
}

#[micro_routes]
impl Orders {
    #[event_pattern("orders:*")]
    async fn any(&self, _order: Value, redis: RedisContext) {
        self.seen.lock().unwrap().push(format!("any {}", redis.channel()));
    }

    #[event_pattern("orders:created")]
    async fn created(&self, _order: Value, redis: RedisContext) {
        self.seen.lock().unwrap().push(format!("created {}", redis.channel()));
    }

    #[message_pattern("price:[ab]?")]
    async fn price(&self, _order: Value, redis: RedisContext) -> String {
        redis.channel().to_owned()
    }
}

#[module(providers = [Orders], microservices = [Orders])]
struct OrdersModule;

#[tokio::test]
async fn wildcards_are_subscribed_to_and_the_reply_goes_to_the_concrete_channel() {
    let Some(broker) = broker().await else { return };
    let app = serve::<OrdersModule>(server(&broker).wildcards(true)).await;
    let client = client(to(&broker));
    assert_eq!(client.send::<_, String>("price:a1", &1).await.unwrap(), "price:a1");
    assert_eq!(client.send::<_, String>("price:c1", &1).await.unwrap_err().kind(), ErrorKind::NotFound);
    client.emit("orders:shipped", &1).await.unwrap();
    client.emit("orders:created", &1).await.unwrap();
    let orders = app.get::<Orders>().unwrap();
    until(|| orders.seen.lock().unwrap().len() == 3).await;
    let mut seen = orders.seen.lock().unwrap().clone();
    seen.sort();
    // Redis delivers once for each subscription that matches.
    assert_eq!(seen, ["any orders:created", "any orders:shipped", "created orders:created"]);
    app.close().await;
}

#[tokio::test]
async fn without_the_option_a_pattern_is_a_channel_whatever_it_looks_like() {
    let Some(broker) = broker().await else { return };
    let app = serve::<OrdersModule>(server(&broker)).await;
    let client = client(to(&broker));
    assert_eq!(client.send::<_, String>("price:[ab]?", &1).await.unwrap(), "price:[ab]?");
    assert_eq!(client.send::<_, String>("price:a1", &1).await.unwrap_err().kind(), ErrorKind::NotFound);
    app.close().await;
}

#[tokio::test]
async fn a_reply_channel_is_held_and_the_one_unused_for_longest_is_given_back() {
    let Some(broker) = broker().await else { return };
    let app = serve::<ContractModule>(server(&broker)).await;
    let client = client(to(&broker).reply_channels(2));
    client.connect().await.unwrap();
    let mut onlooker = Onlooker::of(&broker).await;
    for pattern in ["echo", "echo", "none", "echo", "null.value", "echo", "none"] {
        client.send::<_, Value>(pattern, &1).await.unwrap();
    }
    // What is given back is told beside the call that needed its room.
    tokio::time::sleep(Duration::from_millis(20)).await;
    let commands = onlooker.until_now(&broker).await;
    let subscriptions = commands.iter().filter(|words| words[0] != "PUBLISH").map(|words| words.join(" "));
    let mut subscriptions: Vec<_> = subscriptions.collect();
    subscriptions.sort();
    assert_eq!(
        subscriptions,
        [
            "SUBSCRIBE echo.reply",
            "SUBSCRIBE none.reply",
            "SUBSCRIBE none.reply",
            "SUBSCRIBE null.value.reply",
            "UNSUBSCRIBE none.reply",
            "UNSUBSCRIBE null.value.reply",
        ]
    );
    app.close().await;
}

#[tokio::test]
async fn a_channel_with_a_call_under_way_is_not_given_back() {
    let Some(broker) = broker().await else { return };
    let app = serve::<CallsModule>(server(&broker)).await;
    let calls = app.get::<Calls>().unwrap();
    let client = client(to(&broker).reply_channels(1));
    let held = tokio::spawn({
        let client = client.clone();
        async move { client.send::<_, String>("hold", &1).await }
    });
    until(|| calls.started.load(std::sync::atomic::Ordering::Relaxed) == 1).await;
    let error = client.send::<_, Value>("echo", &1).await.unwrap_err();
    assert_eq!((error.kind(), error.sent()), (ErrorKind::Overloaded, Some(Sent::No)));
    calls.release.notify_one();
    assert_eq!(held.await.unwrap().unwrap(), "held");
    assert_eq!(client.send::<_, Value>("echo", &1).await.unwrap(), 1);
    app.close().await;
}

#[tokio::test]
async fn rd_2_every_instance_gets_every_call_and_the_first_reply_wins() {
    let Some(broker) = broker().await else { return };
    let apps = [
        serve::<ContractModule>(server(&broker)).await,
        serve::<ContractModule>(server(&broker)).await,
        serve::<ContractModule>(server(&broker)).await,
    ];
    let client = client(to(&broker));
    for number in 0..20 {
        assert_eq!(client.send::<_, i64>("echo", &number).await.unwrap(), number);
    }
    // Two of three replies to each.
    until(|| client.stats().foreign_replies == 40).await;
    client.emit("user.created", &1).await.unwrap();
    for app in &apps {
        let contract = app.get::<Contract>().unwrap();
        until(|| contract.runs("user.created#1") == 1).await;
    }
    for app in apps {
        app.close().await;
    }
}

#[tokio::test]
async fn rd_2_replies_to_others_on_a_shared_channel_are_ignored_and_counted() {
    let Some(broker) = broker().await else { return };
    let app = serve::<CallsModule>(server(&broker)).await;
    let calls = app.get::<Calls>().unwrap();
    let client = client(to(&broker));
    let held = tokio::spawn({
        let client = client.clone();
        async move { client.send::<_, String>("hold", &1).await }
    });
    until(|| calls.started.load(std::sync::atomic::Ordering::Relaxed) == 1).await;
    let mut raw = Raw::connect(&broker).await;
    let foreign =
        ["{}", "5", "not json", "", r#"{"response":"forged","isDisposed":true,"id":"abc"}"#, r#"{"id":null}"#];
    for body in foreign {
        assert_eq!(raw.publish("hold.reply", body).await, 1);
    }
    until(|| client.stats().foreign_replies == foreign.len() as u64).await;
    calls.release.notify_one();
    assert_eq!(held.await.unwrap().unwrap(), "held");
    assert_eq!(client.send::<_, Value>("echo", &json!([1])).await.unwrap(), json!([1]));
    app.close().await;
}
