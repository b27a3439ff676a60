//! What peers make up, and no handler sees.

use super::*;

/// What peers make up is logged, and does not fill the disk.
#[tokio::test]
async fn rq_1_a_flood_of_events_that_nobody_handles_is_logged_in_a_few_lines() {
    let log = nestrs::LogCapture::start();
    let app = serve_with::<ContractModule>(free_port()).await;
    let server = tcp(&app);
    let mut peer = Peer::connect(server.address()).await;
    peer.send(frame(r#"{"pattern":"made up","data":0}"#).repeat(5000)).await;
    eventually(&server, "all are counted", |stats| stats.unknown_patterns == 5000).await;
    let lines = log.events().into_iter().filter(|event| event.message.contains("no handler for this event")).count();
    assert!((1..=100).contains(&lines), "{lines}");
    app.close().await;
}

struct Picky;
impl PacketDeserializer for Picky {
    fn deserialize(&self, wire: Value) -> Result<Value, TransportError> {
        if wire["pattern"] == "refuse.me" { Err(TransportError::new("no")) } else { Ok(wire) }
    }
}

#[tokio::test]
async fn what_no_handler_sees_is_counted() {
    let app =
        serve_with::<ContractModule>(free_port().grace_period(Duration::from_millis(50)).deserializer(Picky)).await;
    let server = tcp(&app);
    let mut peer = Peer::connect(server.address()).await;
    peer.send_frames(&["42", "[]", r#"{"data":1}"#, r#"{"pattern":"refuse.me","data":1}"#]).await;
    peer.send_frames(&[r#"{"pattern":"nobody","data":1}"#]).await;
    peer.expect_alive().await;
    let error = client_of(&app).send::<_, Value>("nobody.either", &()).await.unwrap_err();
    assert!(error.message.contains("no matching message handler"), "{error}");
    let stats = server.stats();
    assert_eq!((stats.ignored_packets, stats.unknown_patterns, stats.faults), (4, 2, 0));

    peer.send_frames(&[r#"{"pattern":"hang","data":0,"id":1}"#]).await;
    eventually(&server, "a call is under way", |stats| stats.in_flight == 1).await;
    socket2::SockRef::from(&peer.0).set_linger(Some(Duration::ZERO)).unwrap();
    drop(peer);
    eventually(&server, "its caller is gone", |stats| stats.abandoned_calls == 1).await;
    app.close().await;
}

#[tokio::test]
async fn sl_10_patterns_that_peers_make_up_are_counted_together_and_named_nowhere() {
    let app = serve_with::<ContractModule>(free_port()).await;
    let server = tcp(&app);
    let before = serde_json::to_string(&server.stats()).unwrap().len();
    let mut peer = Peer::connect(server.address()).await;
    let made_up: String =
        (0..1000).map(|n| frame(&format!(r#"{{"pattern":"made.up.{n}","data":0,"id":{n}}}"#))).collect();
    let reading = async {
        peer.send(made_up).await;
        peer.0.shutdown().await.unwrap();
        peer.expect_closed().await
    };
    let answers = tokio::time::timeout(PATIENCE, reading).await.expect("all are answered");
    assert!(!String::from_utf8(answers).unwrap().contains("made.up"));
    let stats = serde_json::to_string(&server.stats()).unwrap();
    assert_eq!(server.stats().unknown_patterns, 1000);
    assert!(!stats.contains("made") && stats.len() < before + 100, "{stats}");
    app.close().await;
}

/// Maps whose keys no peer can choose: ids that this process counts up, and the patterns of its handlers.
const KEYS_ARE_OURS: [&str; 2] = ["client/pending.rs", "route_table/words.rs"];

/// The standard library's maps are hashed with a key of this process, unless they are told otherwise.
#[test]
fn sl_10_no_map_is_told_to_hash_without_a_key() {
    let mut looked_at = 0;
    let mut folders = ["src", "nestrs-core/src", "nestrs-microservices/src"].map(std::path::PathBuf::from).to_vec();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if KEYS_ARE_OURS.iter().any(|ours| path.ends_with(ours)) {
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                looked_at += 1;
                let text = std::fs::read_to_string(&path).unwrap();
                for hasher in
                    ["with_hasher", "BuildHasherDefault", "Hasher for", "FxHash", "ahash", "hashbrown", "SipHasher"]
                {
                    assert!(!text.contains(hasher), "{}: `{hasher}`", path.display());
                }
            }
        }
    }
    assert!(looked_at > 100, "{looked_at} files");
}
