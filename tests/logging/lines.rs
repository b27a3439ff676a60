//! What the logger writes.

use super::*;

#[test]
fn console_lines_are_those_of_nestjs() {
    let text = written(console(), || {
        tracing::info!(target: "RoutesResolver", "CatsController {{/cats}}:");
        tracing::trace!(context = "CatsService", n = 3, ok = true, "details");
        tracing::error!(fatal = true, "no more disk");
        let outer = tracing::info_span!("connection", transport = "tcp", connection = 7_u64);
        let inner = tracing::info_span!(parent: &outer, "call", pattern = "a b", outcome = tracing::field::Empty);
        inner.record("outcome", "ok");
        inner.in_scope(|| tracing::warn!(target: "x", error = %"it broke", pattern = "a b", ratio = 0.5, "odd"));
    });
    assert_eq!(
        text,
        "\
[Nest] 12345  - 11/21/2026, 8:14:07 AM     LOG [RoutesResolver] CatsController {/cats}:
[Nest] 12345  - 11/21/2026, 8:14:07 AM VERBOSE [CatsService] details n=3 ok=true +3ms
[Nest] 12345  - 11/21/2026, 8:14:07 AM   FATAL [logging::lines] no more disk +3ms
[Nest] 12345  - 11/21/2026, 8:14:07 AM    WARN [x] odd error=\"it broke\" pattern=\"a b\" ratio=0.5 \
connection{transport=tcp connection=7} call{outcome=ok} +3ms
"
    );
}

#[test]
fn colours_are_those_of_nestjs() {
    let text = written(console().color(true).prefix("Shop").timestamp(false), || {
        tracing::debug!(target: "Cats", id = 7, "found");
        tracing::error!(target: "Cats", fatal = true, "gone");
    });
    assert_eq!(
        text,
        "\
\x1b[95m[Shop] 12345  - \x1b[39m11/21/2026, 8:14:07 AM \x1b[95m  DEBUG\x1b[39m \x1b[38;5;3m[Cats] \x1b[39m\
\x1b[95mfound\x1b[39m id=7
\x1b[1m[Shop] 12345  - \x1b[0m11/21/2026, 8:14:07 AM \x1b[1m  FATAL\x1b[0m \x1b[38;5;3m[Cats] \x1b[39m\
\x1b[1mgone\x1b[0m
"
    );
}

#[test]
fn json_lines_are_those_of_nestjs_with_fields_and_spans() {
    let say = || {
        tracing::info!(target: "AppController", "Starting");
        let span = tracing::info_span!("call", pattern = "math.add", name = "it");
        span.in_scope(|| {
            tracing::warn!(
                context = "Math",
                n = -3,
                big = u64::MAX,
                odd = f64::NAN,
                ok = true,
                level = "x",
                r#type = "t",
                "m"
            )
        });
    };
    assert_eq!(
        written(json_lines(), say),
        r#"{"level":"log","pid":12345,"timestamp":1795248847042,"message":"Starting","context":"AppController"}
{"level":"warn","pid":12345,"timestamp":1795248847045,"message":"m","context":"Math","n":-3,"big":18446744073709551615,"odd":"NaN","ok":true,"level_":"x","type":"t","spans":[{"name":"call","pattern":"math.add","name_":"it"}]}
"#
    );
    let iso = written(json_lines().iso_timestamps(), say);
    assert!(iso.contains(r#""timestamp":"2026-11-21T08:14:07.042Z","message":"Starting""#), "{iso}");
}

#[test]
fn se_6_no_value_can_forge_a_line() {
    let forged = "x\r\n[Nest] 1  - 01/01/1970, 1:00:00 AM   FATAL [y] \u{1b}[2Jforged\u{85}\u{2028}\u{202e}\" id=7";
    let say = || {
        let span = tracing::info_span!("call", pattern = forged);
        span.in_scope(|| tracing::warn!(context = forged, value = forged, debugged = ?forged, "{forged}"));
        tracing::info!(target: "next", "line");
    };
    let text = written(console(), say);
    assert_eq!(text.lines().count(), 2, "{text}");
    assert!(
        !text.chars().any(|it| (it.is_control() && it != '\n') || it == '\u{202e}' || it == '\u{2028}'),
        "{text:?}"
    );
    assert!(text.contains(r#" value="x\r\n[Nest]"#) && text.contains(r#"\" id=7" debugged="#), "{text}");

    let text = written(json_lines(), say);
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[0]["message"], forged, "JSON gives it back whole");
    assert_eq!(lines[0]["spans"][0]["pattern"], forged);
    assert!(
        !text.chars().any(|it| (it.is_control() && it != '\n') || it == '\u{202e}' || it == '\u{2028}'),
        "{text:?}"
    );
}

#[test]
fn a_value_of_any_size_makes_a_line_of_bounded_size() {
    let text = written(json_lines(), || tracing::info!(value = "x".repeat(10_000_000), "{}", "y".repeat(10_000_000)));
    assert!(text.len() < 20_000, "{}", text.len());
    assert!(text.contains("(9991808 bytes more)"), "it says that it was cut");
}

#[test]
fn a_logger_writes_what_its_level_and_its_filter_let_through() {
    let say = || {
        tracing::debug!(target: "app", "one");
        tracing::info!(target: "app", "two");
        tracing::debug!(target: "nestrs::call", "three");
        tracing::error!(target: "app", "four");
    };
    let messages = |logger: Logger| -> Vec<String> {
        let text = written(logger, say);
        let message = |line: &str| serde_json::from_str::<Value>(line).unwrap()["message"].as_str().unwrap().to_owned();
        text.lines().map(message).collect()
    };
    assert_eq!(messages(Logger::json()), ["two", "four"]);
    assert_eq!(messages(Logger::json().level(LogLevel::Fatal)), ["four"]);
    assert_eq!(messages(Logger::json().filter("nestrs::call=debug")), ["two", "three", "four"]);
    assert_eq!(messages(Logger::json().filter("off,app=verbose")), ["one", "two", "four"]);
    let error = Logger::json().filter("app=loud").init_thread().unwrap_err();
    assert_eq!(
        error.to_string(),
        "the log's filter cannot be read: `app=loud`: `loud` is no log level; there are fatal, error, warn, log, debug \
         and verbose"
    );
}

#[test]
fn a_value_that_logs_while_it_is_formatted_holds_nothing_up() {
    struct Chatty;
    impl std::fmt::Display for Chatty {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            tracing::info!(target: "inner", "asked");
            f.write_str("chatty")
        }
    }
    let text = written(console().timestamp(false), || {
        let span = tracing::info_span!("call", who = tracing::field::Empty);
        let _entered = span.enter();
        span.record("who", tracing::field::display(Chatty));
        tracing::info!(target: "outer", who = %Chatty, "asks");
    });
    let ends: Vec<_> = text.lines().map(|line| line.split_once("LOG ").unwrap().1).collect();
    // What is said while an event is under way, `tracing` itself drops.
    assert_eq!(ends, ["[inner] asked call", "[outer] asks who=chatty call"]);
}

#[test]
fn a_second_logger_is_an_error_value_and_the_first_goes_on() {
    // Of the process, so no other test of this file may set one.
    let written = Written::default();
    assert_eq!(Logger::json().writer(written.clone()).filter("off,logging=log").init(), Ok(()));
    let refused = Logger::console().init().unwrap_err();
    assert_eq!(refused, LoggerError::AlreadySet);
    assert_eq!(
        ListenError::from(refused).to_string(),
        "this process has a logger, or another `tracing` subscriber, already"
    );
    std::thread::spawn(|| tracing::info!(target: "logging::second", "still here")).join().unwrap();
    assert!(String::from_utf8(written.0.lock().unwrap().clone()).unwrap().contains("still here"));
}
