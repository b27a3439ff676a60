//! What becomes of wrong keys and values.

use super::variables::Store;
use super::*;

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
