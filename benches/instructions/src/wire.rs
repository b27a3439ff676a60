//! The bytes of requests and replies.

/// Five integers, added.
pub const SUM: &str = r#"{"pattern":{"cmd":"sum"},"data":[1,2,3,4,5],"id":"5f1ab60a33c4a5b2e0d11"}"#;
/// The same behind a guard, a pipe and an interceptor.
pub const GUARDED_SUM: &str = r#"{"pattern":{"cmd":"guarded"},"data":[1,2,3,4,5],"id":"5f1ab60a33c4a5b2e0d11"}"#;
/// The same, named by a string.
pub const SUM_BY_NAME: &str = r#"{"pattern":"sum","data":[1,2,3,4,5],"id":"5f1ab60a33c4a5b2e0d11"}"#;
/// As our own client sends it.
pub const SUM_WITH_DEADLINE: &str = r#"{"pattern":{"cmd":"sum"},"data":[1,2,3,4,5],"metadata":{"nestrs-timeout-ms":"30000"},"id":"5f1ab60a33c4a5b2e0d11"}"#;
/// What answers each of them.
pub const SUM_REPLY: &str = r#"{"response":15,"isDisposed":true,"id":"5f1ab60a33c4a5b2e0d11"}"#;

/// What requests for streams are answered under.
pub const ID: &[u8] = b"5f1ab60a33c4a5b2e0d11";

/// A frame around an ASCII body.
#[must_use]
pub fn frame(body: &str) -> Vec<u8> {
    format!("{}#{body}", body.len()).into_bytes()
}

/// A request for an echo of a string of so many bytes.
#[must_use]
pub fn echo(len: usize) -> String {
    format!(r#"{{"pattern":{{"cmd":"echo"}},"data":"{}","id":"5f1ab60a33c4a5b2e0d11"}}"#, "x".repeat(len))
}

/// What answers it.
#[must_use]
pub fn echo_reply(len: usize) -> String {
    format!(r#"{{"response":"{}","isDisposed":true,"id":"5f1ab60a33c4a5b2e0d11"}}"#, "x".repeat(len))
}

/// A request for the numbers up to this one, each an item of a stream.
#[must_use]
pub fn count(end: usize) -> String {
    format!(r#"{{"pattern":{{"cmd":"count"}},"data":{end},"id":"5f1ab60a33c4a5b2e0d11"}}"#)
}

/// What answers it, under this id: a frame an item.
#[must_use]
pub fn items(end: usize, id: &[u8]) -> Vec<u8> {
    let id = String::from_utf8_lossy(id);
    let item = |item| {
        let last = if item == end { r#","isDisposed":true"# } else { "" };
        frame(&format!(r#"{{"response":{item}{last},"id":"{id}"}}"#))
    };
    (1..=end).flat_map(item).collect()
}
