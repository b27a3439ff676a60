//! Signals, in programs of their own.

use super::*;

/// The program that the tests of signals start: this one, run anew for this test alone.
#[test]
fn child() {
    let Ok(story) = std::env::var("SHUTDOWN_TEST_STORY") else { return };
    let mut runtime = match &*story {
        "blocks" => tokio::runtime::Builder::new_current_thread(),
        _ => tokio::runtime::Builder::new_multi_thread(),
    };
    let runtime = runtime.worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(tell(&story));
    println!("left");
    // Waits for what blocks.
    drop(runtime);
}

async fn tell(story: &str) {
    if story == "again" {
        hybrid(free_port()).enable_shutdown_hooks().start().await.unwrap().close().await;
    }
    let options = free_port();
    let options = if story == "closes" { options.grace_period(Duration::from_millis(300)) } else { options };
    let app = hybrid(options);
    let app = if story != "no hooks" { app.enable_shutdown_hooks() } else { app };
    let app = app.start().await.unwrap();
    println!("\nlistening {}", app.address("tcp").unwrap());
    match story {
        "closes" => {
            app.get::<Service>().unwrap().hung.notified().await;
            println!("closing");
            app.close().await;
        }
        "hangs" | "closes and hangs" => {
            tokio::task::spawn_blocking(|| std::thread::sleep(2 * PATIENCE));
            if story == "hangs" { app.wait().await.unwrap() } else { app.close().await }
        }
        "blocks" => {
            app.get::<Service>().unwrap().hung.notified().await;
            println!("blocking");
            std::thread::sleep(2 * PATIENCE);
        }
        _ => app.wait().await.unwrap(),
    }
    println!("ended");
}

struct Program {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    address: String,
}

impl Program {
    async fn start(story: &str) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "signals::child", "--nocapture", "--test-threads=1"])
            .env("SHUTDOWN_TEST_STORY", story)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut program = Self { child, lines, address: String::new() };
        program.address = program.line("listening ").await;
        program
    }

    /// What follows in the next line that begins so.
    async fn line(&mut self, beginning: &str) -> String {
        let reading = async {
            while let Some(line) = self.lines.next_line().await.unwrap() {
                if let Some(rest) = line.strip_prefix(beginning) {
                    return rest.to_owned();
                }
            }
            panic!("no line begins with `{beginning}`");
        };
        tokio::time::timeout(PATIENCE, reading).await.expect("it says so in time")
    }

    async fn signal(&self, name: &str) {
        let id = self.child.id().expect("it runs").to_string();
        assert!(Command::new("kill").args([format!("-{name}"), id]).status().await.unwrap().success());
    }

    async fn status(&mut self) -> std::process::ExitStatus {
        tokio::time::timeout(PATIENCE, self.child.wait()).await.expect("it ends in time").unwrap()
    }

    async fn ends_at_once(&mut self, signal: &str, code: i32) {
        let started = Instant::now();
        self.signal(signal).await;
        assert_eq!(self.status().await.code(), Some(code));
        assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
    }

    /// A call that never ends.
    async fn hang(&self) -> Peer {
        let mut peer = Peer::connect(&self.address).await;
        peer.send_frames(&[r#"{"pattern":"hang","id":1}"#]).await;
        peer.expect_alive().await;
        peer
    }
}

#[tokio::test]
async fn sd_4_the_first_signal_ends_an_application_well_and_its_hooks_are_told_which_it_was() {
    let _clean = Clean::begin().await;
    for (name, number) in [("TERM", 15), ("INT", 2)] {
        let mut program = Program::start("waits").await;
        Peer::connect(&program.address).await.expect_alive().await;
        program.signal(name).await;
        program.line("destroyed").await;
        assert_eq!(program.line("shut down by ").await, format!("Some({number})"));
        program.line("ended").await;
        assert_eq!(program.status().await.code(), Some(0));
    }
}

#[tokio::test]
async fn sd_4_a_second_signal_ends_it_at_once() {
    let _clean = Clean::begin().await;
    for (first, second, code) in [("TERM", "TERM", 143), ("TERM", "INT", 130), ("INT", "TERM", 143)] {
        let mut program = Program::start("waits").await;
        let peer = program.hang().await;
        program.signal(first).await;
        // It has heard the first one when nobody is accepted any more.
        let closed = async {
            while TcpStream::connect(&program.address).await.is_ok() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(PATIENCE, closed).await.expect("it begins to end");
        program.ends_at_once(second, code).await;
        drop(peer);
    }
}

/// It ends already, and the signal asks for nothing else.
#[tokio::test]
async fn sd_4_the_first_signal_does_not_cut_short_an_end_that_has_begun_by_itself() {
    let _clean = Clean::begin().await;
    let mut program = Program::start("closes").await;
    let mut peer = Peer::connect(&program.address).await;
    peer.send_frames(&[r#"{"pattern":"hang","id":1}"#]).await;
    program.line("closing").await;
    program.signal("TERM").await;
    program.line("shut down by Some(15)").await;
    program.line("ended").await;
    assert_eq!(program.status().await.code(), Some(0));
    drop(peer);
}

/// A blocking task keeps the runtime from going, and with it the process, though nothing is left that would hear signals.
#[tokio::test]
async fn sd_4_a_signal_after_the_end_ends_a_process_that_hangs() {
    let _clean = Clean::begin().await;
    for (story, first) in [("hangs", Some("TERM")), ("closes and hangs", None)] {
        for (name, code) in [("TERM", 143), ("INT", 130)] {
            let mut program = Program::start(story).await;
            if let Some(first) = first {
                program.signal(first).await;
            }
            program.line("left").await;
            program.ends_at_once(name, code).await;
        }
    }
}

/// The only thread is asleep: no task hears the first signal, and none is needed for the second.
#[tokio::test]
async fn sd_4_a_second_signal_ends_a_process_that_a_handler_blocks() {
    let _clean = Clean::begin().await;
    let mut program = Program::start("blocks").await;
    let peer = program.hang().await;
    program.line("blocking").await;
    program.signal("TERM").await;
    let early = tokio::time::timeout(Duration::from_millis(50), program.child.wait()).await;
    assert!(early.is_err(), "the first one ends nothing: {early:?}");
    program.ends_at_once("INT", 130).await;
    drop(peer);
}

#[tokio::test]
async fn sd_4_the_first_signal_ends_an_application_well_though_another_has_ended_before() {
    let _clean = Clean::begin().await;
    let mut program = Program::start("again").await;
    program.signal("TERM").await;
    program.line("shut down by Some(15)").await;
    program.line("ended").await;
    assert_eq!(program.status().await.code(), Some(0));
}

#[cfg(unix)]
#[tokio::test]
async fn sd_4_without_hooks_signals_are_left_alone_and_a_broken_pipe_never_kills() {
    use std::os::unix::process::ExitStatusExt;

    let _clean = Clean::begin().await;
    let mut program = Program::start("no hooks").await;
    // The signal itself, and what causes it: replies to peers that are gone.
    program.signal("PIPE").await;
    for _ in 0..20 {
        let mut peer = Peer::connect(&program.address).await;
        let requests = [r#"{"pattern":"echo","data":"some text","id":1}"#; 50];
        peer.send_frames(&requests).await;
        peer.0.set_zero_linger().unwrap();
    }
    Peer::connect(&program.address).await.expect_alive().await;
    program.signal("TERM").await;
    assert_eq!(program.status().await.signal(), Some(15));
}
