//! Where values come from.

use super::*;

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
