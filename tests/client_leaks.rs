//! What a client leaves behind: nothing. Alone in its program, since it counts what the whole process holds.

mod support;

use std::time::Duration;

use nestrs::microservices::Backoff;
use serde_json::Value;

use support::fake::{FakeServer, SHUTTING_DOWN, client, id_of_next_request, read_frame, reply};

fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count)
}

fn tasks() -> usize {
    tokio::runtime::Handle::current().metrics().num_alive_tasks()
}

/// Closed in every state there is: idle, dialling, connected with calls under way, between two connections, after a move.
#[tokio::test]
async fn cl_12_after_close_no_task_no_descriptor_and_no_call_is_left() {
    let soon = Backoff { min: Duration::from_millis(1), max: Duration::from_millis(5), ..Backoff::default() };
    let server = FakeServer::bind().await;
    let options = server.options().backoff(soon);
    for round in 0..20 {
        let before = (descriptors(), tasks());
        let idle = client(options.clone());
        idle.close().await;

        let busy = client(options.clone());
        let calls: Vec<_> = (0..10)
            .map(|call| {
                let busy = busy.clone();
                tokio::spawn(async move {
                    if call % 2 == 0 {
                        busy.send::<_, Value>("hang", &call).await.map(drop)
                    } else {
                        let mut items = busy.send_stream::<_, Value>("hang", &call).await?;
                        while let Some(item) = items.next().await {
                            item?;
                        }
                        Ok(())
                    }
                })
            })
            .collect();
        let mut socket = server.accept().await;
        for _ in 0..9 {
            read_frame(&mut socket).await;
        }
        let id = id_of_next_request(&mut socket).await;
        let mut others = Vec::new();
        match round % 4 {
            0 => {}
            // Two connections: one is left and has calls to finish.
            1 => {
                reply(&mut socket, &id, SHUTTING_DOWN).await;
                others.push(server.accept().await);
            }
            // Lost: it dials.
            2 => {
                socket.set_zero_linger().unwrap();
                others.push(socket);
                others.clear();
                tokio::task::yield_now().await;
                busy.close().await;
                for call in calls {
                    assert!(call.await.unwrap().is_err());
                }
                // What it may have dialled meanwhile.
                while let Ok(socket) = tokio::time::timeout(Duration::from_millis(20), server.accept()).await {
                    drop(socket);
                }
                assert_eq!((descriptors(), tasks()), before, "round {round}");
                continue;
            }
            // A stream that nobody reads, full and ended.
            _ => {
                for item in 0..2000 {
                    reply(&mut socket, &id, &format!(r#""response":{item}"#)).await;
                }
            }
        }
        let twice = busy.clone();
        tokio::join!(busy.close(), twice.close());
        assert_eq!(busy.stats().pending, 0);
        // Closed means that its tasks have ended when `close` returns; those of the callers are theirs.
        let callers = calls.iter().filter(|call| !call.is_finished()).count();
        assert_eq!(tasks(), before.1 + callers, "round {round}");
        for call in calls {
            let _ = call.await.unwrap();
        }
        assert_eq!(tasks(), before.1, "round {round}");
        drop((socket, others));
        assert_eq!(descriptors(), before.0, "round {round}");
    }

    // A client that is only dropped ends as well, a moment later.
    let before = (descriptors(), tasks());
    let dropped = client(options);
    dropped.connect().await.unwrap();
    drop((server.accept().await, dropped));
    for _ in 0..1000 {
        if (descriptors(), tasks()) == before {
            return;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    panic!("{:?}, not {before:?}", (descriptors(), tasks()));
}
