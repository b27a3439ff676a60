//! Configuration: where values come from, what becomes of wrong ones, and how the application gets them.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU16;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use nestrs::config::{
    AsyncConfigOptions, ConfigError, ConfigModule, ConfigOptions, ConfigService, Secret, UnknownKeys,
};
use nestrs::microservices::{AsyncClientConfig, ClientConfig, TcpTransportOptions};
use nestrs::prelude::*;
use nestrs::{BootError, Module, boot};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;

/// A directory of its own for one test, gone afterwards.
struct Directory(PathBuf);

impl Directory {
    fn with(files: &[(&str, &str)]) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("nestrs-config-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        for (name, text) in files {
            fs::write(path.join(name), text).unwrap();
        }
        Self(path)
    }

    /// Options that see this directory and nothing of the machine.
    fn options(&self) -> ConfigOptions {
        nothing().base_dir(&self.0)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Options that read nothing.
fn nothing() -> ConfigOptions {
    ConfigOptions::default().ignore_env_file().environment([("", ""); 0]).env_prefix("APP_")
}

fn read<T: DeserializeOwned>(options: &ConfigOptions) -> Result<T, ConfigError> {
    ConfigService::load(options)?.root()
}

/// Every problem, as it is told.
#[track_caller]
fn problems<T: DeserializeOwned>(options: &ConfigOptions) -> Vec<String> {
    match read::<T>(options) {
        Ok(_) => panic!("it should not be accepted"),
        Err(error) => error.problems().iter().map(ToString::to_string).collect(),
    }
}

#[derive(Debug, PartialEq, Deserialize)]
struct AppConfig {
    name: String,
    #[serde(default = "three")]
    retries: u8,
    database: DatabaseConfig,
}

fn three() -> u8 {
    3
}

#[derive(Debug, PartialEq, Deserialize)]
struct DatabaseConfig {
    host: String,
    port: u16,
    #[serde(default)]
    replicas: Vec<String>,
}

// Sources.

#[test]
fn a_later_source_goes_before_an_earlier_one_key_by_key() {
    let directory = Directory::with(&[
        ("config.toml", "name = 'toml'\n[database]\nhost = 'toml'\nport = 2\n"),
        ("config.json", r#"{ "database": { "port": 3, "replicas": ["json"] } }"#),
        (".env", "APP_DATABASE__PORT=4\nAPP_RETRIES=9\n"),
    ]);
    let port = |options: &ConfigOptions| read::<AppConfig>(options).unwrap().database.port;
    let mut options =
        directory.options().defaults(json!({ "name": "code", "database": { "host": "code", "port": 1 } }));
    assert_eq!(port(&options), 1);
    options = options.file("config.toml");
    assert_eq!(port(&options), 2);
    options = options.file("config.json");
    assert_eq!(port(&options), 3);
    options = options.env_file(".env");
    assert_eq!(port(&options), 4);
    options = options.environment([("APP_DATABASE__PORT", "5"), ("DATABASE__PORT", "of another")]);
    assert_eq!(port(&options), 5);
    options = options.set("database.port", 6);
    let database = DatabaseConfig { host: "toml".into(), port: 6, replicas: vec!["json".into()] };
    assert_eq!(read::<AppConfig>(&options).unwrap(), AppConfig { name: "toml".into(), retries: 9, database });
}

#[test]
fn of_several_env_files_the_first_wins_and_those_that_are_missing_do_not_matter() {
    let directory = Directory::with(&[(".env.local", "APP_A=local"), (".env", "APP_A=plain\nAPP_B=plain")]);
    let options = directory.options().env_file(".env.test.local").env_file(".env.local").env_file(".env");
    let values: HashMap<String, String> = read(&options).unwrap();
    assert_eq!((&*values["a"], &*values["b"]), ("local", "plain"));

    let error = ConfigService::load(&options.required_env_file(".env.secrets").file("config.toml")).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the configuration has 2 problems:\n`config.toml`: is missing\n`.env.secrets`: is missing"
    );
}

#[test]
fn an_env_file_in_the_directory_is_read_unless_it_is_ignored() {
    let directory = Directory::with(&[(".env", "APP_A=1")]);
    let mut options = directory.options();
    assert!(!ConfigService::load(&options).unwrap().has("a"));
    options.env_files = None;
    assert_eq!(ConfigService::load(&options).unwrap().get("a").unwrap(), Some(1));
    assert_eq!(std::env::var_os("APP_A"), None, "the process knows nothing of it");
}

#[test]
fn variables_stand_for_others_when_they_may() {
    let directory = Directory::with(&[(
        ".env",
        "HOST=example.com\nAPP_URL=https://${USER_NAME}@$HOST/${PATH_OF_IT:-none}\nAPP_PRICE=\"5$ or \\$HOST\"\nAPP_RAW='${HOST}'\n",
    )]);
    let options = directory.options().env_file(".env").environment([("USER_NAME", "me"), ("APP_OWN", "${HOST}")]);
    let values: BTreeMap<String, String> = read(&options.clone().expand_variables(true)).unwrap();
    let expected =
        [("own", "${HOST}"), ("price", "5$ or $HOST"), ("raw", "${HOST}"), ("url", "https://me@example.com/none")];
    assert_eq!(values.iter().map(|(name, value)| (&**name, &**value)).collect::<Vec<_>>(), expected);
    let values: BTreeMap<String, String> = read(&options).unwrap();
    assert!(values["url"].contains("$HOST"), "not without being told to");
}

#[test]
fn variables_that_cannot_be_expanded_are_named_with_their_lines() {
    let bomb: String = (0..40).map(|n| format!("V{n}=${{V{}}}${{V{}}}\n", n + 1, n + 1)).collect();
    let text = format!("A=${{B}}\nB=x${{A}}\nC=${{UNSET}}\nD=${{E\n{bomb}V40=xxxxxxxxxxxxxxxx\n");
    let directory = Directory::with(&[(".env", &text)]);
    let options = directory.options().env_file(".env").expand_variables(true).max_file_bytes(100_000);
    let error = ConfigService::load(&options).unwrap_err().to_string();
    for expected in [
        "`.env:1`: `A` is expanded from itself",
        "`.env:3`: `C` asks for `UNSET`, which is not set; a dollar sign is `\\$`",
        "`.env:4`: `D` has a `${` that is never closed",
        "`.env:5`: `V0` is longer than 100000 bytes when it is expanded",
    ] {
        assert!(error.contains(expected), "{expected}\n{error}");
    }
}

#[test]
fn sources_that_cannot_be_read_are_all_told_without_what_is_in_them() {
    let directory = Directory::with(&[
        ("bad.toml", "a = 1\nb = hunter2 !\n"),
        ("bad.json", "{\n  \"a\": 1,\n  \"b\": hunter2\n}"),
        ("twice.json", "{ \"a\": 1,\n \"a\": 2 }"),
        ("list.json", "[1]"),
        ("config.yaml", "a: 1"),
        ("long.toml", "a = 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx'"),
        (".env", "A=1\nhunter2\n"),
    ]);
    fs::write(directory.0.join("latin.toml"), b"a = '\xe9'").unwrap();
    fs::create_dir(directory.0.join("folder.toml")).unwrap();
    let files =
        ["bad.toml", "bad.json", "twice.json", "list.json", "config.yaml", "long.toml", "latin.toml", "folder.toml"];
    let options = files.iter().fold(directory.options(), |options, file| options.file(file));
    let error = ConfigService::load(&options.env_file(".env").max_file_bytes(50)).unwrap_err();
    let told: Vec<String> = error.problems().iter().map(ToString::to_string).collect();
    let expected = [
        "`bad.toml:2`: is not TOML: ",
        "`bad.json:3`: is not JSON: expected value",
        "`twice.json:2`: is not JSON: the key `a` stands there twice",
        "`list.json:1`: is not a JSON object",
        "`config.yaml`: is neither a `.toml` nor a `.json` file",
        "`long.toml`: is longer than 50 bytes",
        "`latin.toml`: is not UTF-8",
        "`folder.toml`: cannot be read: ",
        "`.env:2`: is not `NAME=value`",
    ];
    assert_eq!(told.len(), expected.len(), "{told:#?}");
    for (told, expected) in told.iter().zip(expected) {
        assert!(told.starts_with(expected), "{told}\n{expected}");
    }
    assert!(!error.to_string().contains("hunter2"));
}

#[test]
fn what_lies_too_deep_is_refused() {
    let directory = Directory::with(&[("config.json", r#"{"a":{"b":[{"c":1}]}}"#)]);
    let options = directory.options().file("config.json");
    assert!(ConfigService::load(&options.clone().max_depth(4)).is_ok());
    let error = ConfigService::load(&options.max_depth(3)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the configuration is wrong: `a.b[0].c`: lies deeper than 3 levels (`config.json:1`)"
    );
    let variables = nothing().max_depth(2).environment([("APP_A__B__C", "1")]);
    assert!(ConfigService::load(&variables).unwrap_err().to_string().contains("environment `APP_A__B__C`"));
}

// What variables mean.

#[derive(Debug, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Level {
    Debug,
    Info,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Everything {
    max_connections: NonZeroU16,
    ratio: f64,
    verbose: bool,
    level: Level,
    timeout: Duration,
    ports: Vec<u16>,
    pair: (u8, String),
    listen: SocketAddr,
    nickname: Option<String>,
    letter: char,
    big: i128,
    servers: Vec<Server>,
    limits: HashMap<String, u32>,
    store: Store,
    #[serde(rename = "SHOUTED")]
    shouted: String,
    wrapped: Wrapped,
}

#[derive(Debug, PartialEq, Deserialize)]
struct Server {
    host: String,
}

#[derive(Debug, PartialEq, Deserialize)]
enum Store {
    Memory,
    S3 { bucket: String },
    Files(PathBuf),
}

#[derive(Debug, PartialEq, Deserialize)]
struct Wrapped(u8);

const VARIABLES: [(&str, &str); 17] = [
    ("APP_MAX_CONNECTIONS", "10"),
    ("APP_RATIO", "0.5"),
    ("APP_VERBOSE", "Yes"),
    ("APP_LEVEL", "INFO"),
    ("APP_TIMEOUT", "1m30s"),
    ("APP_PORTS", "1, 2,3"),
    ("APP_PAIR", "1,two"),
    ("APP_LISTEN", "127.0.0.1:80"),
    ("APP_NICKNAME", "007"),
    ("APP_LETTER", "é"),
    ("APP_BIG", "-99999999999999999999"),
    ("APP_SERVERS__0__HOST", "a"),
    ("APP_SERVERS__1__HOST", "b"),
    ("APP_LIMITS__CPU", "4"),
    ("APP_STORE__S3__BUCKET", "x"),
    ("APP_SHOUTED", "s"),
    ("APP_WRAPPED", "8"),
];

#[test]
fn text_becomes_what_the_type_wants() {
    let read: Everything = read(&nothing().environment(VARIABLES)).unwrap();
    let expected = Everything {
        max_connections: NonZeroU16::new(10).unwrap(),
        ratio: 0.5,
        verbose: true,
        level: Level::Info,
        timeout: Duration::from_secs(90),
        ports: vec![1, 2, 3],
        pair: (1, "two".into()),
        listen: "127.0.0.1:80".parse().unwrap(),
        nickname: Some("007".into()),
        letter: 'é',
        big: -99_999_999_999_999_999_999,
        servers: vec![Server { host: "a".into() }, Server { host: "b".into() }],
        limits: [("cpu".to_owned(), 4)].into(),
        store: Store::S3 { bucket: "x".into() },
        shouted: "s".into(),
        wrapped: Wrapped(8),
    };
    assert_eq!(read, expected);
}

#[test]
fn every_key_that_does_not_fit_is_told_at_once_and_no_value_ever() {
    let wrong = VARIABLES.map(|(name, _)| (name, "hunter2"));
    let told = problems::<Everything>(&nothing().environment(wrong));
    let expected = [
        "`big`: expected i128, found a string (environment `APP_BIG`)",
        "`letter`: not accepted: expected a character (environment `APP_LETTER`)",
        "`level`: expected one of `debug`, `info` (environment `APP_LEVEL`)",
        "`limits.cpu`: expected u32, found a string (environment `APP_LIMITS__CPU`)",
        "`listen`: ",
        "`maxConnections`: expected u16, found a string (environment `APP_MAX_CONNECTIONS`)",
        "`pair[0]`: expected u8, found a string (environment `APP_PAIR`)",
        "`ports[0]`: expected u16, found a string (environment `APP_PORTS`)",
        "`ratio`: expected f64, found a string (environment `APP_RATIO`)",
        "`timeout`: expected a duration such as `1h30m`, `30s` or `250ms`, found a string (environment `APP_TIMEOUT`)",
        "`verbose`: expected a boolean, found a string (environment `APP_VERBOSE`)",
        "`wrapped`: expected u8, found a string (environment `APP_WRAPPED`)",
    ];
    for expected in expected {
        assert!(told.iter().any(|problem| problem.starts_with(expected)), "{expected}\n{told:#?}");
    }
    assert_eq!(told.len(), expected.len(), "{told:#?}");
    assert!(!told.concat().contains("hunter"), "{told:#?}");
}

#[test]
fn every_key_that_is_missing_is_told_at_once() {
    let told = problems::<Everything>(&nothing());
    let keys: Vec<&str> = told.iter().map(|problem| problem.split('`').nth(1).unwrap()).collect();
    let expected = [
        "SHOUTED",
        "big",
        "letter",
        "level",
        "limits",
        "listen",
        "maxConnections",
        "pair",
        "ports",
        "ratio",
        "servers",
        "store",
        "timeout",
        "verbose",
        "wrapped",
    ];
    assert_eq!(keys, expected);
    assert_eq!(told[6], "`maxConnections`: missing; set it in a file or as `APP_MAX_CONNECTIONS`");
    let told = problems::<Everything>(&nothing().ignore_env_vars());
    assert_eq!(told[6], "`maxConnections`: missing; set it in a file");
}

#[test]
fn numbers_out_of_range_are_told_apart_from_what_is_no_number() {
    for (text, expected) in [
        ("65536", "`port`: out of range: expected u16 (environment `APP_PORT`)"),
        ("-1", "`port`: out of range: expected u16 (environment `APP_PORT`)"),
        ("999999999999999999999999999999999999999999", "`port`: out of range: expected u16 (environment `APP_PORT`)"),
        ("1.5", "`port`: expected u16, found a number with a fraction (environment `APP_PORT`)"),
        ("", "`port`: expected u16, found an empty string (environment `APP_PORT`)"),
        ("http", "`port`: expected u16, found a string (environment `APP_PORT`)"),
    ] {
        let options = nothing().defaults(json!({ "host": "x" })).environment([("APP_PORT", text)]);
        assert_eq!(problems::<DatabaseConfig>(&options), [expected], "{text}");
    }
}

#[test]
fn what_a_file_calls_a_string_is_none_but_a_string() {
    let directory = Directory::with(&[("config.toml", "\nhost = 5432\nport = '5432'\n")]);
    let told = problems::<DatabaseConfig>(&directory.options().file("config.toml"));
    let expected = [
        "`host`: expected a string, found an integer (`config.toml:2`)",
        "`port`: expected u16, found a string (`config.toml:3`)",
    ];
    assert_eq!(told, expected);
}

#[test]
fn variables_reach_into_lists_of_files() {
    #[derive(Deserialize)]
    struct Servers {
        servers: Vec<Server>,
    }
    let directory = Directory::with(&[("config.toml", "[[servers]]\nhost = 'a'\n[[servers]]\nhost = 'b'\n")]);
    let options = directory.options().file("config.toml");
    let hosts = |name: &str| {
        let servers = read::<Servers>(&options.clone().environment([(name, "x")]))?.servers;
        Ok::<_, ConfigError>(servers.into_iter().map(|server| server.host).collect::<Vec<_>>())
    };
    assert_eq!(hosts("APP_SERVERS__1__HOST").unwrap(), ["a", "x"]);
    assert_eq!(hosts("APP_SERVERS__2__HOST").unwrap(), ["a", "b", "x"]);
    assert_eq!(
        hosts("APP_SERVERS__4__HOST").unwrap_err().to_string(),
        "the configuration is wrong: `servers.4.host`: `4` is not an item of the list, which has 2 (`config.toml:1`) \
         (environment `APP_SERVERS__4__HOST`)"
    );
}

#[test]
fn a_whole_and_its_part_are_not_both_set_by_variables() {
    let options = nothing().environment([("APP_DATABASE", "x"), ("APP_DATABASE__PORT", "1")]);
    assert_eq!(
        ConfigService::load(&options).unwrap_err().to_string(),
        "the configuration is wrong: `database.port`: is set as a whole too (environment `APP_DATABASE`): unset one of \
         them (environment `APP_DATABASE__PORT`)"
    );
}

#[test]
fn without_a_prefix_what_others_set_does_no_harm() {
    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Config {
        user: Server,
        port: u16,
    }
    let options = nothing()
        .env_prefix("")
        .unknown_keys(UnknownKeys::Refuse)
        .defaults(json!({ "user": { "host": "a" } }))
        .environment([
            ("PORT", "1"),
            ("USER", "root"),
            ("__CF", "x"),
            ("FOO", "1"),
            ("FOO__BAR", "2"),
            ("http_proxy", "x"),
        ]);
    let config: Config = read(&options).unwrap();
    assert_eq!((config.port, &*config.user.host), (1, "a"));
}

// Wrong keys.

#[test]
fn unknown_keys_are_refused_by_those_who_refuse_them_with_the_nearest_known_one() {
    #[derive(Debug, Deserialize)]
    struct Config {
        #[serde(default)]
        _database: Option<Strict>,
        #[serde(default)]
        _workers: u8,
    }
    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Strict {
        #[serde(rename = "port")]
        _port: u16,
        #[serde(rename = "host")]
        _host: String,
    }
    let directory = Directory::with(&[(
        "config.toml",
        "_wokers = 1\n[_database]\nprot = 1\nsomething = 2\nhost = 3\n[feature]\nx = 1\n",
    )]);
    let options = directory.options().file("config.toml").environment([("APP_OTHER", "1")]);
    let strict = [
        "`_database.host`: expected a string, found an integer (`config.toml:5`)",
        "`_database.port`: missing; set it in a file or as `APP__DATABASE__PORT`",
        "`_database.prot`: unknown key (`config.toml:3`); did you mean `port`?",
        "`_database.something`: unknown key (`config.toml:4`); known there: `port`, `host`",
    ];
    assert_eq!(problems::<Config>(&options), strict);
    let all = problems::<Config>(&options.unknown_keys(UnknownKeys::Refuse).namespace("feature"));
    let mut expected = strict.to_vec();
    expected.extend([
        "`_wokers`: unknown key (`config.toml:1`); did you mean `_workers`?",
        "`other`: unknown key (environment `APP_OTHER`); known there: `_database`, `_workers`",
    ]);
    assert_eq!(all, expected);
}

#[test]
fn a_missing_key_names_the_one_that_looks_like_it() {
    let options = nothing().environment([("APP_HOST", "x"), ("APP_PROT", "1")]);
    assert_eq!(
        problems::<DatabaseConfig>(&options),
        ["`port`: missing; did you mean it by `prot` (environment `APP_PROT`)?"]
    );
}

#[test]
fn mistakes_in_nested_shapes_are_told_by_their_paths() {
    #[derive(Debug, Deserialize)]
    struct Nested {
        _list: Vec<DatabaseConfig>,
        _map: HashMap<String, DatabaseConfig>,
        _option: Option<DatabaseConfig>,
        _store: Store,
        _array: [u8; 3],
        _ips: Vec<IpAddr>,
        _numbered: HashMap<u8, u8>,
    }
    let directory = Directory::with(&[(
        "config.json",
        r#"{
            "_list": [{ "host": "a", "port": 1 }, { "host": 2 }, "x"],
            "_map": { "a b": { "host": "a", "port": 70000 }, "c": null },
            "_option": { "port": 1 },
            "_store": { "S3": { "bucket": 7 } },
            "_array": [1, 300],
            "_ips": ["127.0.0.1", "hunter2", "::1", 4],
            "_numbered": { "1": 1, "x": 2, "3": 256 }
        }"#,
    )]);
    let told = problems::<Nested>(&directory.options().file("config.json"));
    let expected = [
        "`_array[1]`: out of range: expected u8 (`config.json:6`)",
        "`_ips[1]`: invalid IP address syntax (`config.json:7`)",
        "`_ips[3]`: expected IP address, found an integer (`config.json:7`)",
        "`_list[1].host`: expected a string, found an integer (`config.json:2`)",
        "`_list[1].port`: missing; set it in a file or as `APP__LIST__1__PORT`",
        "`_list[2]`: expected a table, found a string (`config.json:2`)",
        "`_map.a b.port`: out of range: expected u16 (`config.json:3`)",
        "`_map.c`: expected a table, found null (`config.json:3`)",
        "`_numbered.3`: out of range: expected u8 (`config.json:8`)",
        "`_numbered.x`: the key itself is not what keys are there (`config.json:8`)",
        "`_option.host`: missing; set it in a file or as `APP__OPTION__HOST`",
        "`_store.S3.bucket`: expected a string, found an integer (`config.json:5`)",
    ];
    assert_eq!(told, expected);
}

#[test]
fn what_is_read_before_its_type_is_known_tells_its_mistakes_too() {
    #[derive(Debug, Deserialize)]
    struct Flat {
        #[serde(flatten)]
        _common: Common,
        _auth: Auth,
        _port: u16,
    }
    #[derive(Debug, Deserialize)]
    struct Common {
        code: String,
        id: String,
        weight: u16,
        missing: bool,
        gone: Vec<u8>,
    }
    #[derive(Debug, Deserialize)]
    #[serde(tag = "type", rename_all = "lowercase")]
    enum Auth {
        Token { token: String, ttl: u32 },
    }
    let options = nothing().environment([
        // A string, however much it looks like a number.
        ("APP_CODE", "7"),
        ("APP_ID", "12"),
        ("APP_WEIGHT", "heavy"),
        ("APP__PORT", "x"),
        ("APP__AUTH__TYPE", "token"),
        ("APP__AUTH__TTL", "soon"),
    ]);
    let told = problems::<Flat>(&options);
    let keys: Vec<&str> = told.iter().map(|problem| problem.split('`').nth(1).unwrap_or(problem)).collect();
    assert_eq!(keys, ["_auth.token", "_auth.ttl", "_port", "gone", "missing", "weight"], "{told:#?}");

    let right = options.environment([
        ("APP_CODE", "7"),
        ("APP_ID", "12"),
        ("APP_WEIGHT", "7"),
        ("APP__PORT", "1"),
        ("APP__AUTH__TYPE", "token"),
        ("APP__AUTH__TOKEN", "345"),
        ("APP__AUTH__TTL", "9"),
        ("APP_MISSING", "true"),
    ]);
    let flat: Flat = read(&right.set("gone", [1])).unwrap();
    let Auth::Token { token, ttl } = flat._auth;
    let Common { code, id, weight, missing, gone } = flat._common;
    assert_eq!(
        (code, id, weight, missing, gone, token, ttl),
        ("7".into(), "12".into(), 7, true, vec![1], "345".into(), 9)
    );
}

#[test]
fn a_type_that_checks_itself_speaks_for_itself_and_the_others_are_told_all_the_same() {
    #[derive(Debug, Deserialize)]
    #[serde(try_from = "Raw")]
    struct Range;
    #[derive(Deserialize)]
    struct Raw {
        from: u8,
        to: u8,
    }
    impl TryFrom<Raw> for Range {
        type Error = String;
        fn try_from(raw: Raw) -> Result<Self, String> {
            if raw.from < raw.to { Ok(Self) } else { Err(format!("nothing lies between {} and {}", raw.from, raw.to)) }
        }
    }
    #[derive(Debug, Deserialize)]
    struct Token;
    impl TryFrom<String> for Token {
        type Error = String;
        fn try_from(text: String) -> Result<Self, String> {
            Err(format!("`{text}` does not begin with `tok_`"))
        }
    }
    #[derive(Debug, Deserialize)]
    struct Config {
        _range: Range,
        _secret: Secret<TryToken>,
        _token: TryToken,
        _broken: Range,
        _last: u8,
    }
    #[derive(Debug, Deserialize)]
    #[serde(try_from = "String")]
    struct TryToken;
    impl TryFrom<String> for TryToken {
        type Error = String;
        fn try_from(text: String) -> Result<Self, String> {
            Token::try_from(text).map(|_| Self)
        }
    }
    let options = nothing().defaults(json!({
        "_range": { "from": 200, "to": 100 },
        "_secret": "hunter2",
        "_token": "hunter2",
        "_broken": { "from": "x" },
        "_last": 256,
    }));
    let told = problems::<Config>(&options);
    let expected = [
        "`_broken.from`: expected u8, found a string (the defaults)",
        "`_broken.to`: missing; set it in a file or as `APP__BROKEN__TO`",
        "`_last`: out of range: expected u8 (the defaults)",
        "`_range`: nothing lies between *** and *** (the defaults)",
        "`_secret`: not accepted (the defaults)",
        "`_token`: `***` does not begin with `tok_` (the defaults)",
        // Nothing that we could put there pleases a `TryToken`.
        "there may be more problems: no further ones were looked for",
    ];
    assert_eq!(told, expected);
}

#[test]
fn there_is_an_end_to_what_is_told_and_to_what_is_tried() {
    #[derive(Debug, Deserialize)]
    struct Endless {
        _next: Box<Self>,
    }
    let many: BTreeMap<String, &str> = (0..300).map(|number| (format!("k{number}"), "x")).collect();
    let told = problems::<HashMap<String, u8>>(&nothing().defaults(many));
    assert_eq!(told.len(), 101);
    assert_eq!(told[100], "there may be more problems: no further ones were looked for");
    let told = problems::<Endless>(&nothing());
    assert!(told[0].starts_with("`_next`: missing"), "{told:#?}");
}

#[test]
fn defaults_that_are_no_table_are_a_problem_like_others() {
    assert_eq!(problems::<AppConfig>(&nothing().defaults([1])), ["the defaults: are not a table"]);
}

// The service.

#[test]
fn the_service_is_asked_by_key() {
    let directory = Directory::with(&[("config.toml", "[[servers]]\nhost = 'a'\n")]);
    let options = directory.options().file("config.toml").environment([("APP_DATABASE__PORT", "x")]);
    let config = ConfigService::load(&options).unwrap();
    assert_eq!(config.get::<String>("servers.0.host").unwrap().as_deref(), Some("a"));
    assert_eq!(config.get_or("servers.1.host", "none".to_owned()).unwrap(), "none");
    assert_eq!(
        config.get::<u16>("database.port").unwrap_err().to_string(),
        "the configuration is wrong: `database.port`: expected u16, found a string (environment `APP_DATABASE__PORT`)"
    );
    assert!(config.get_or_throw::<u16>("database.prt").unwrap_err().to_string().contains("`APP_DATABASE__PRT`"));
    assert!(config.has("DATABASE.PORT") && !config.has("nothing"));
    assert_eq!(format!("{config:?}{options:?}").matches("PORT").count(), 0);
}

// In an application.

#[injectable]
struct Repository {
    app: Arc<AppConfig>,
    database: Arc<DatabaseConfig>,
    config: Arc<ConfigService>,
}

#[derive(Debug, PartialEq, Deserialize)]
struct CacheConfig {
    #[serde(default)]
    size: u32,
}

async fn started(root: nestrs::ModuleDef) -> Result<nestrs::Application, BootError> {
    boot(root, Default::default()).await
}

struct Root;

fn root(config: DynamicModule) -> nestrs::ModuleDef {
    nestrs::ModuleDef::new::<Root>().import_dynamic(config).import::<DatabaseModule>()
}

#[module(
    imports = [
        ConfigModule::for_feature::<DatabaseConfig>("database"),
        ConfigModule::for_feature::<CacheConfig>("cache"),
    ],
    providers = [Repository],
    exports = [Repository, CacheConfig],
)]
struct DatabaseModule;

fn good() -> ConfigOptions {
    nothing().environment([("APP_NAME", "n"), ("APP_DATABASE__HOST", "h"), ("APP_DATABASE__PORT", "1")])
}

#[tokio::test]
async fn providers_get_the_whole_the_part_and_the_service() {
    let app = started(root(ConfigModule::for_root::<AppConfig>(good()))).await.unwrap();
    let repository = app.root.get::<Repository>().unwrap();
    assert_eq!((&*repository.app.name, repository.database.port), ("n", 1));
    assert_eq!(repository.config.get("database.port").unwrap(), Some(1));
    assert_eq!(*app.root.get::<CacheConfig>().unwrap(), CacheConfig { size: 0 }, "a part without keys has defaults");
}

#[tokio::test]
async fn one_boot_error_tells_every_wrong_key_of_the_whole_and_of_its_parts() {
    let options = nothing().environment([("APP_DATABASE__PORT", "hunter2"), ("APP_CACHE__SIZE", "-1")]);
    let error = started(root(ConfigModule::for_root::<AppConfig>(options))).await.unwrap_err();
    let expected = "\
the application cannot start, for 3 reasons:
  1. `AppConfig` cannot be built: the configuration has 3 problems (Root → ConfigModule):
     `database.host`: missing; set it in a file or as `APP_DATABASE__HOST`
     `database.port`: expected u16, found a string (environment `APP_DATABASE__PORT`)
     `name`: missing; set it in a file or as `APP_NAME`
  2. `DatabaseConfig` cannot be built: the configuration is wrong: the keys are told above (Root → DatabaseModule → ConfigModule)
  3. `CacheConfig` cannot be built: the configuration is wrong: `cache.size`: out of range: expected u32 (environment `APP_CACHE__SIZE`) (Root → DatabaseModule → ConfigModule)";
    assert_eq!(error.to_string(), expected);
}

#[tokio::test]
async fn a_configuration_that_is_not_global_is_seen_by_those_who_import_it() {
    let error = started(root(ConfigModule::for_root::<AppConfig>(good().is_global(false)))).await.unwrap_err();
    assert!(error.to_string().contains("`Repository` needs `Arc<AppConfig>`"), "{error}");
    let alone =
        nestrs::ModuleDef::new::<Root>().import_dynamic(ConfigModule::for_root::<AppConfig>(good().is_global(false)));
    assert!(started(alone).await.unwrap().root.get::<AppConfig>().is_some());
}

#[tokio::test]
async fn an_application_may_want_the_service_alone() {
    let options = good().env_prefix("").unknown_keys(UnknownKeys::Refuse);
    let app = started(nestrs::ModuleDef::new::<Root>().import_dynamic(ConfigModule::for_root::<()>(options))).await;
    assert!(app.unwrap().root.get::<ConfigService>().unwrap().has("app_name"));
}

#[injectable]
struct Vault;

impl Vault {
    async fn password(&self) -> Result<u16, TransportError> {
        tokio::task::yield_now().await;
        Ok(7)
    }
}

#[module(providers = [Vault], exports = [Vault])]
struct VaultModule;

#[tokio::test]
async fn options_may_come_from_another_provider() {
    let options = AsyncConfigOptions::new(|vault: Arc<Vault>| async move {
        Ok::<_, TransportError>(good().set("database.port", vault.password().await?))
    });
    let config = ConfigModule::for_root_async::<AppConfig>(options.clone()).import::<VaultModule>();
    let app = started(root(config)).await.unwrap();
    assert_eq!(app.root.get::<Repository>().unwrap().database.port, 7);

    let config = ConfigModule::for_root_async::<AppConfig>(options.is_global(false)).import::<VaultModule>();
    assert!(started(root(config)).await.unwrap_err().to_string().contains("`Repository` needs"));
    let late = AsyncConfigOptions::new(|| async { Ok::<_, ConfigError>(good().is_global(false)) });
    let error = started(root(ConfigModule::for_root_async::<AppConfig>(late))).await.unwrap_err();
    assert!(error.to_string().contains("set it on `AsyncConfigOptions`"), "{error}");
}

#[module(
    imports = [ClientsModule::register_async([AsyncClientConfig::new("MATH", |config: Arc<AppConfig>| async move {
        let address = format!("{}:{}", config.database.host, config.database.port);
        Ok::<_, TransportError>(ClientConfig::tcp("MATH", TcpTransportOptions::to(&address)))
    })])],
    exports = [ClientsModule],
)]
struct MathClientModule;

#[tokio::test]
async fn other_modules_are_configured_from_it() {
    let root = nestrs::ModuleDef::new::<Root>()
        .import_dynamic(ConfigModule::for_root::<AppConfig>(good()))
        .import_dynamic(DynamicModule::from(MathClientModule::define()));
    let app = started(root).await.unwrap();
    assert!(app.root.get_named::<ClientProxy>("MATH").is_some());
}

#[tokio::test]
async fn sources_that_cannot_be_read_are_the_only_reason_told() {
    let config = ConfigModule::for_root::<AppConfig>(good().base_dir(Path::new("/nonexistent")).file("config.toml"));
    assert_eq!(
        started(root(config)).await.unwrap_err().to_string(),
        "the application cannot start: `ConfigService` cannot be built: the configuration is wrong: `config.toml`: is \
         missing (Root → ConfigModule)"
    );
}

#[test]
fn a_secret_shows_itself_to_nobody_but_who_asks() {
    #[derive(Debug, Deserialize)]
    struct Login {
        password: Secret<String>,
        #[serde(default)]
        pin: Secret<u16>,
    }
    let options = nothing().environment([("APP_PASSWORD", "hunter2"), ("APP_PIN", "1234")]);
    let login: Login = read(&options).unwrap();
    assert_eq!(format!("{login:?}"), "Login { password: ***, pin: *** }");
    assert_eq!((login.password.expose().as_str(), login.pin.into_exposed()), ("hunter2", 1234));
    assert!(!format!("{options:?}").contains("hunter2"));
}
