//! What NATS can hold as a subject.

use nestrs_core::{ErrorKind, TransportError};

/// Whether a pattern can be subscribed to.
pub(super) fn check_subscribed(subject: &str) -> Result<(), TransportError> {
    check_words(subject)?;
    match subject.split('.').rev().skip(1).any(|word| word == ">") {
        true => Err(refused(subject, "`>` stands at the end only")),
        false => Ok(()),
    }
}

/// Whether a pattern can be sent to.
pub(super) fn check_sent(subject: &str) -> Result<(), TransportError> {
    check_words(subject)?;
    match subject.split('.').any(|word| word == "*" || word == ">") {
        true => Err(refused(subject, "wildcards can be subscribed to, and not sent to")),
        false => Ok(()),
    }
}

/// Whether a text can be the name of a queue group.
pub(super) fn check_queue(queue: &str) -> Result<(), TransportError> {
    match queue.contains(|character: char| character.is_whitespace() || character.is_control()) {
        true => {
            Err(TransportError::internal(format!("`{}` is no queue group: it has white space", queue.escape_debug())))
        }
        false => Ok(()),
    }
}

fn check_words(subject: &str) -> Result<(), TransportError> {
    if subject.contains(|character: char| character.is_whitespace() || character.is_control()) {
        return Err(refused(subject, "it has white space"));
    }
    match subject.split('.').any(str::is_empty) {
        true => Err(refused(subject, "it has an empty word between dots")),
        false => Ok(()),
    }
}

fn refused(subject: &str, why: &str) -> TransportError {
    let subject: String = subject.escape_debug().take(128).collect();
    TransportError::withheld(ErrorKind::InvalidPayload, format!("`{subject}` cannot be a subject of NATS: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subjects_are_words_between_dots() {
        let check = |subject: &str, sent: bool, subscribed: bool| {
            assert_eq!(
                (check_sent(subject).is_ok(), check_subscribed(subject).is_ok()),
                (sent, subscribed),
                "{subject:?}"
            );
        };
        check("orders.created", true, true);
        check(r#"{"cmd":"sum"}"#, true, true);
        check("orders.*", false, true);
        check("log.>", false, true);
        check("log.>.more", false, false);
        check("a*b", true, true);
        for refused in ["", ".", "a.", ".a", "a..b", "a b", "a\tb", "a\r\nb", r#"{"cmd":"the sum"}"#, "a\u{0}b"] {
            check(refused, false, false);
        }
    }
}
