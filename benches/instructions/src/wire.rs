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
