//! What serde says, without the values it quotes: they are a payload's, and errors go to logs.

/// Why a payload does not fit its type, as `quoteless` says it: the one cause of an `InvalidPayload` that is logged.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Misfit(pub String);

/// The reason, its place, and what was expected; never what was there instead.
pub(crate) fn quoteless(error: &serde_json::Error) -> String {
    let text = error.to_string();
    // Of syntax and input errors serde_json makes the text itself, and quotes nothing.
    if !error.is_data()
        || ["missing field `", "duplicate field `", "invalid length "].iter().any(|it| text.starts_with(it))
    {
        return text;
    }
    let what = ["invalid type", "invalid value", "unknown field", "unknown variant"];
    let Some(what) = what.into_iter().find(|what| text.starts_with(what)) else {
        return place(error, "a value that its type refuses");
    };
    // The last one: the value in front of it may contain the words too.
    match text.rfind(", expected ") {
        Some(at) => format!("{what}{}", &text[at..]),
        None => place(error, what),
    }
}

fn place(error: &serde_json::Error, what: &str) -> String {
    match error.line() {
        0 => what.to_owned(),
        line => format!("{what} at line {line} column {}", error.column()),
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde::de::{DeserializeOwned, Error};

    use super::*;

    fn check<T: DeserializeOwned>(json: &str, expected: &str) {
        let Err(error) = serde_json::from_str::<T>(json) else { panic!("{json} fits") };
        assert_eq!(quoteless(&error), expected, "{error}");
    }

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Card {
        #[serde(rename = "number")]
        _number: u8,
    }

    #[derive(Deserialize)]
    enum Colour {
        #[serde(rename = "red")]
        Red,
    }

    struct Picky;
    impl<'de> Deserialize<'de> for Picky {
        fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            Err(D::Error::custom(format!("`{}` is not picky", String::deserialize(deserializer)?)))
        }
    }

    #[test]
    fn it_says_where_and_what_was_expected_and_never_what_was_there() {
        check::<u8>(r#""secret""#, "invalid type, expected u8 at line 1 column 8");
        check::<u8>(r#""secret, expected secret, expected x""#, "invalid type, expected u8 at line 1 column 37");
        check::<u8>("4111", "invalid value, expected u8 at line 1 column 4");
        check::<Card>("{}", "missing field `number` at line 1 column 2");
        check::<Card>(r#"{"secret":1}"#, "unknown field, expected `number` at line 1 column 9");
        check::<Colour>(r#""secret""#, "unknown variant, expected `red` at line 1 column 8");
        check::<[u8; 2]>("[1]", "invalid length 1, expected an array of length 2 at line 1 column 3");
        check::<Picky>(r#""secret""#, "a value that its type refuses");
        check::<u8>(r#"secret"#, "expected value at line 1 column 1");
        assert!(matches!(serde_json::from_str(r#""red""#), Ok(Colour::Red)));
    }
}
