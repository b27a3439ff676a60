//! What variables mean.

use super::*;

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
pub(super) enum Store {
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
