//! A transport that ends by itself.

use super::*;

/// A transport that ends when the test says so.
struct Faulty(Arc<Notify>);

#[async_trait]
impl TransportServer for Faulty {
    async fn bind(&mut self) -> Result<Bound, TransportError> {
        Ok(Bound { transport: "faulty", address: "nowhere".to_owned() })
    }

    async fn serve(self: Box<Self>, _: Dispatcher, shutdown: Shutdown) -> Result<(), TransportError> {
        tokio::select! {
            () = shutdown.begun() => Ok(()),
            () = self.0.notified() => Err(TransportError::new("the broker is gone")),
        }
    }
}

impl MicroserviceOptions for Faulty {
    fn into_server(self) -> Box<dyn TransportServer> {
        Box::new(self)
    }
}

#[tokio::test]
async fn sd_7_a_transport_that_ends_leaves_the_others_serving_and_health_names_it() {
    let clean = Clean::begin().await;
    let end = Arc::new(Notify::new());
    let app = hybrid(free_port()).connect_microservice(Faulty(Arc::clone(&end))).start().await.unwrap();
    let (tcp, http) = (app.address("tcp").unwrap().to_owned(), app.address("http").unwrap().to_owned());
    let (status, body) = support::http::get(&http, "/health").await;
    assert_eq!((status, &body["status"]), (200, &json!("ok")), "{body}");
    let waiting = tokio::spawn(app.wait());
    end.notify_one();
    let down = async {
        loop {
            let (status, body) = support::http::get(&http, "/health").await;
            if status == 503 {
                break body;
            }
        }
    };
    let body = tokio::time::timeout(PATIENCE, down).await.expect("it is noticed");
    let of = |transport: &str| {
        let all = body["servers"].as_array().unwrap();
        all.iter().find(|entry| entry["transport"] == transport).expect("it is listed")["status"].clone()
    };
    assert_eq!(
        (body["status"].as_str(), of("faulty"), of("tcp")),
        (Some("error"), json!("failed"), json!("listening")),
        "{body}"
    );
    let mut peer = Peer::connect(&tcp).await;
    peer.expect_alive().await;
    assert!(!waiting.is_finished());
    // Dropped with its task, the application stops at once.
    waiting.abort();
    let _ = waiting.await;
    drop(peer);
    clean.check().await;
}
