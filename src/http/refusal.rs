//! What an extractor refuses a request with, as the error of a call.

use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::Response;
use nestrs_core::__private::Misfit;
use nestrs_core::{ErrorKind, TransportError};
use serde_json::json;

use super::reply::Answered;

/// The most bytes of a refusal's text that are read; of a longer one, only the status is told.
const TEXT_MAX: usize = 64 * 1024;

/// Ends well with everything that the handler made, and with what is no line of text; fails with what an extractor says.
///
/// What a server has to say of itself is kept from the caller. What does not fit is an
/// [`InvalidPayload`](ErrorKind::InvalidPayload) as that of a message is: its values are not repeated, and the log gets
/// the reason alone.
pub(super) async fn accepted(response: Response) -> Result<Response, TransportError> {
    let is_text = response.headers().get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"text/plain"));
    let by_handler = response.extensions().get::<Answered>().is_some();
    let status = response.status();
    if by_handler || !is_text || !(status.is_client_error() || status.is_server_error()) {
        return Ok(response);
    }
    let text = match axum::body::to_bytes(response.into_body(), TEXT_MAX).await {
        Ok(text) => String::from_utf8_lossy(&text).into_owned(),
        Err(_) => status.canonical_reason().unwrap_or_default().to_owned(),
    };
    Err(error_of(status, text))
}

fn error_of(status: StatusCode, text: String) -> TransportError {
    let kind = match status {
        StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY => ErrorKind::InvalidPayload,
        StatusCode::UNAUTHORIZED => ErrorKind::Unauthorized,
        StatusCode::FORBIDDEN => ErrorKind::Forbidden,
        StatusCode::PAYLOAD_TOO_LARGE => ErrorKind::TooLarge,
        _ => ErrorKind::Application,
    };
    let reason = (kind == ErrorKind::InvalidPayload).then(|| reason(&text)).flatten();
    let text = if kind == ErrorKind::InvalidPayload { without_values(&text).unwrap_or(text) } else { text };
    let mut error = TransportError::new(text).with_details(json!({ "statusCode": status.as_u16() })).with_kind(kind);
    if let Some(reason) = reason {
        error = error.with_source(Misfit(reason));
    }
    if status.is_server_error() { error.withhold() } else { error }
}

const OF_JSON: &str = "Failed to deserialize the JSON body into the target type";
const SYNTAX: &str = "Failed to parse the request body as JSON";
const OF_PATH: &str = "Invalid URL: Cannot parse ";

/// The text without the values that serde and axum quote; `None` when it quotes none in a way that is known.
fn without_values(text: &str) -> Option<String> {
    if let Some(rest) = text.strip_prefix(OF_PATH) {
        // The names in a path are the route's.
        let name = rest.split_once(" with value `").map(|(name, _)| name);
        let name = name.filter(|name| name.ends_with('`') || name.starts_with("value at index "));
        let expected = path_type(rest).map(|expected| format!(" to a `{expected}`"));
        return Some(format!("{OF_PATH}{}{}", name.unwrap_or("the value"), expected.unwrap_or_default()));
    }
    let quoting = ["invalid type: ", "invalid value: ", "unknown variant "];
    // The first is serde's own or stands in a key; either way, no value is in front of it.
    let (at, what) = quoting.into_iter().filter_map(|what| Some((text.find(what)?, what))).min()?;
    let (before, rest) = (&text[..at], &text[at + what.len()..]);
    let (found, after) = rest.split_at(rest.len() - expected(rest).len());
    let sort = found.split(['"', '`']).next().unwrap_or_default().trim_end();
    let sort = sort.split(", ").next().unwrap_or_default();
    let colon = if sort.is_empty() { what.trim_end_matches([':', ' ']) } else { what };
    Some(format!("{before}{colon}{sort}{after}"))
}

/// Why it does not fit, in words that hold nothing of the payload: no values, no keys. `None` when the words are not
/// axum's.
fn reason(text: &str) -> Option<String> {
    if let Some(rest) = text.strip_prefix(OF_PATH) {
        let expected = path_type(rest).map(|expected| format!(", expected {expected}"));
        return Some(format!("invalid value in the path{}", expected.unwrap_or_default()));
    }
    if text.starts_with(SYNTAX) {
        // Of syntax errors serde_json makes the text itself, and quotes nothing; a path of keys stands in front.
        return text.rsplit(": ").next().map(str::to_owned);
    }
    let what = ["invalid type", "invalid value", "unknown field", "unknown variant"];
    let first = what.into_iter().filter_map(|what| Some((text.find(what)?, what))).min();
    if let Some((at, what)) = first {
        return Some(format!("{what}{}", expected(&text[at..])));
    }
    let named = ["missing field `", "duplicate field `", "invalid length "];
    if let Some(at) = named.into_iter().filter_map(|what| text.rfind(what)).max() {
        return Some(text[at..].to_owned());
    }
    if text.starts_with(OF_JSON) {
        return Some("a value that its type refuses".to_owned());
    }
    let others =
        ["Failed to deserialize query string", "Failed to deserialize form body", "Failed to deserialize form"];
    others.into_iter().find(|other| text.starts_with(other)).map(str::to_owned)
}

/// `, expected u32 at line 1 column 8`: what a type wants, behind the value that it got. Empty when it does not say.
fn expected(text: &str) -> &str {
    // The last one: the value in front of it may contain the words too.
    let expected = text.rfind(", expected ").map_or("", |at| &text[at..]);
    // Where nothing is expected, the one that was found is the value's.
    if expected.contains("`, there are no ") { "" } else { expected }
}

/// The type that axum wanted a part of the path to be.
fn path_type(text: &str) -> Option<&str> {
    let (_, expected) = text.strip_suffix('`')?.rsplit_once("` to a `")?;
    expected.chars().all(|character| character.is_ascii_alphanumeric()).then_some(expected)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, told: &str, logged: Option<&str>) {
        let error = error_of(StatusCode::BAD_REQUEST, text.to_owned());
        assert_eq!(error.message, told);
        assert_eq!(error.misfit_for_log(), logged, "{text}");
    }

    #[test]
    fn refusals_tell_what_is_wrong_without_the_value() {
        check(
            &format!(r#"{OF_JSON}: pan: invalid type: string "4111, expected 4111", expected u64 at line 1 column 20"#),
            &format!("{OF_JSON}: pan: invalid type: string, expected u64 at line 1 column 20"),
            Some("invalid type, expected u64 at line 1 column 20"),
        );
        check(
            &format!("{OF_JSON}: a: invalid value: integer `4111`, expected u8 at line 1 column 9"),
            &format!("{OF_JSON}: a: invalid value: integer, expected u8 at line 1 column 9"),
            Some("invalid value, expected u8 at line 1 column 9"),
        );
        check(
            "Failed to deserialize query string: colour: unknown variant `secret`, expected `red` or `blue`",
            "Failed to deserialize query string: colour: unknown variant, expected `red` or `blue`",
            Some("unknown variant, expected `red` or `blue`"),
        );
        check(
            "x: unknown variant `a, expected secret`, there are no variants",
            "x: unknown variant",
            Some("unknown variant"),
        );
        check(
            &format!("{OF_JSON}: my_key: missing field `pan` at line 1 column 2"),
            &format!("{OF_JSON}: my_key: missing field `pan` at line 1 column 2"),
            Some("missing field `pan` at line 1 column 2"),
        );
        check(
            &format!("{SYNTAX}: my: key: EOF while parsing a value at line 1 column 5"),
            &format!("{SYNTAX}: my: key: EOF while parsing a value at line 1 column 5"),
            Some("EOF while parsing a value at line 1 column 5"),
        );
        check(
            "Invalid URL: Cannot parse `id` with value `secret` to a `u32`",
            "Invalid URL: Cannot parse `id` to a `u32`",
            Some("invalid value in the path, expected u32"),
        );
        check(
            "Invalid URL: Cannot parse `secret` to a `u32`",
            "Invalid URL: Cannot parse the value to a `u32`",
            Some("invalid value in the path, expected u32"),
        );
        check(
            "Invalid URL: Cannot parse `id` with value `x` to a `secret`: it is odd",
            "Invalid URL: Cannot parse `id`",
            Some("invalid value in the path"),
        );
        // A type's own words, and those of an extractor of one's own.
        check(
            &format!("{OF_JSON}: pan: `4111` is odd"),
            &format!("{OF_JSON}: pan: `4111` is odd"),
            Some("a value that its type refuses"),
        );
        check("the token 4111 is odd", "the token 4111 is odd", None);
    }
}
