use std::future::poll_fn;
use std::task::Poll;

use tokio::io::{AsyncWriteExt, DuplexStream};

use crate::dispatcher::Dispatcher;
use crate::net::io::Plain;
use crate::net::registry::Registry;
use crate::tcp::TcpMicroserviceOptions;

use super::*;

const NOBODY: &str = r#"31#{"pattern":"x","data":1,"id":1}"#;

fn connection() -> (Connection, DuplexStream) {
    let (near, far) = tokio::io::duplex(1024 * 1024);
    let meter = Arc::clone(&Registry::new("tcp").register(None, Instant::now()).meter);
    let admitted = Admitted { io: Box::new(Plain(far)), identity: None, claims: None };
    (Connection::new(admitted, meter, limits()), near)
}

fn limits() -> Arc<Limits> {
    Arc::new(Limits::new(TcpMicroserviceOptions::default(), Dispatcher::from_routes([])))
}

/// Reads once, and serves what that brought.
async fn serve_once(connection: &mut Connection) {
    assert_ne!(poll_fn(|task| connection.poll_read(task)).await.unwrap(), 0);
    poll_fn(|task| Poll::Ready(connection.serve_buffered(task))).await.unwrap();
}

#[tokio::test]
async fn sl_11_between_messages_a_connection_holds_no_buffer() {
    let (mut connection, mut peer) = connection();
    peer.write_all(NOBODY.repeat(1000).as_bytes()).await.unwrap();
    serve_once(&mut connection).await;
    assert_eq!(connection.buffer.capacity(), 0);
    assert!(connection.out.queued() > 64 * 1024);
    poll_fn(|task| connection.out.poll_write(&mut connection.io, task)).await.unwrap();
    assert_eq!((connection.out.held(), connection.out.bytes.capacity()), (0, 0));
    // White space after a frame may stay for ever.
    peer.write_all(format!("{NOBODY}\r\n").as_bytes()).await.unwrap();
    serve_once(&mut connection).await;
    assert!(connection.buffer.capacity() < 64, "{}", connection.buffer.capacity());
}

/// Two allocations less for each call that comes alone.
#[tokio::test]
async fn small_frames_are_stored_where_those_before_them_were_unless_somebody_holds_these() {
    let (mut connection, mut peer) = connection();
    let mut places = Vec::new();
    let mut held = None;
    for number in 0..5 {
        // All are equally long, and the fourth read has two.
        let count = if number == 3 { 2 } else { 1 };
        peer.write_all(NOBODY.replace('x', &number.to_string()).repeat(count).as_bytes()).await.unwrap();
        assert_ne!(poll_fn(|task| connection.poll_read(task)).await.unwrap(), 0);
        places.push(connection.buffer.as_ptr());
        if number == 3 {
            held = connection.decoder.decode(&mut connection.buffer).unwrap();
        }
        poll_fn(|task| Poll::Ready(connection.serve_buffered(task))).await.unwrap();
        assert_eq!(connection.buffer.capacity(), 0);
    }
    assert_eq!((places[1], places[2]), (places[0], places[0]));
    let held = held.unwrap();
    assert!(!held.as_ptr_range().contains(&places[4]), "somebody reads there");
    assert_eq!(held, NOBODY.replace('x', "3")[3..]);
}

#[tokio::test]
async fn sl_11_what_is_unfinished_keeps_its_own_bytes_and_not_those_it_came_with() {
    let (mut connection, mut peer) = connection();
    peer.write_all((NOBODY.repeat(1000) + "4").as_bytes()).await.unwrap();
    serve_once(&mut connection).await;
    assert!(connection.buffer.capacity() < 64, "{}", connection.buffer.capacity());
}

/// Also where small ones and longer ones follow each other, and where one begins in a block and ends behind it.
#[tokio::test]
async fn sl_11_a_small_frame_does_not_keep_its_batch() {
    let (mut connection, _peer) = connection();
    let small = [vec![30, 3000, 30, 5000, 10 * 1024, 30], vec![70; 400], vec![1000, 2000, 30]].concat();
    let frames: String = small.iter().map(|len| format!("{len}#{}", "1".repeat(*len))).collect();
    let (batch_len, mut block) = (frames.len(), BytesMut::new());
    connection.buffer = BytesMut::from(frames.as_bytes());
    let batch = connection.buffer.as_ptr_range();
    for len in small {
        let frame = connection.next_frame(batch_len, &mut block).unwrap().unwrap();
        assert_eq!(frame, "1".repeat(len));
        assert!(!batch.contains(&frame.as_ptr()), "a frame of {len} bytes holds the batch");
        assert!(block.capacity() <= 16 * 1024);
        assert!(block.is_empty() || connection.buffer.starts_with(&block));
    }
    assert_eq!(connection.next_frame(batch_len, &mut block).unwrap(), None);
    // A large one is most of its batch, and is not worth a copy.
    connection.buffer = BytesMut::from(format!("60000#{}", "1".repeat(60_000)).as_bytes());
    let batch = connection.buffer.as_ptr_range();
    let frame = connection.next_frame(60_006, &mut block).unwrap().unwrap();
    assert!(batch.contains(&frame.as_ptr()));
}

/// Polls for polling's sake would keep a thread busy until the grace period is over.
#[tokio::test(start_paused = true)]
async fn sd_1_half_a_frame_of_a_peer_that_was_just_answered_is_waited_for_in_peace() {
    let (mut connection, mut peer) = connection();
    let shutdown = Shutdown::new(Duration::from_secs(10));
    let serving = connection.serve(&shutdown);
    let mut serving = std::pin::pin!(serving);
    let mut polls = 0;
    let counted = poll_fn(|task| {
        polls += 1;
        assert!(polls < 1000, "it spins");
        serving.as_mut().poll(task)
    });
    let peer = async {
        peer.write_all(format!("{NOBODY}4").as_bytes()).await.unwrap();
        tokio::time::sleep(Duration::from_millis(100)).await;
        shutdown.begin();
        tokio::time::sleep(Duration::from_secs(5)).await;
        // The rest of it is refused, and then all is quiet.
        peer.write_all(b"2#{\"pattern\":\"x\",\"data\":\"0123456789\",\"id\":1}").await.unwrap();
        peer
    };
    let (reason, _peer) = tokio::join!(counted, peer);
    assert_eq!(reason, CloseReason::Shutdown);
}

/// What is not needed by a connection that does nothing is in a box, or not there yet.
#[tokio::test]
async fn sl_11_the_task_of_a_connection_is_small() {
    let meter = Arc::clone(&Registry::new("tcp").register(None, Instant::now()).meter);
    let (shutdown, (_near, far)) = (Shutdown::new(Duration::from_secs(10)), tokio::io::duplex(1024));
    let serving = serve_connection(Box::new(Plain(far)), meter, limits(), shutdown);
    assert!(size_of::<Connection>() <= 504, "{}", size_of::<Connection>());
    // Not two connections, and not the timers of its end.
    let around = size_of_val(&serving) - size_of::<Connection>();
    assert!(around <= 256, "{around}");
}
