//! The ids of calls: as long as NestJS's, unique within and across processes.

use std::hash::{BuildHasher, RandomState};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

static NEXT: AtomicU64 = AtomicU64::new(1);

/// Ids are never used twice in a process.
pub(super) fn next_id() -> u64 {
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// Whether this process ever gave the id to a call.
pub(super) fn was_given(id: u64) -> bool {
    (1..NEXT.load(Ordering::Relaxed)).contains(&id)
}

/// How many digits an id has on the wire.
const ID_LEN: usize = PREFIX_LEN + 16;
const PREFIX_LEN: usize = 5;
const NO_DIGIT: u8 = 0xff;

/// 21 lower-case hex digits, as NestJS's own ids are: five of this process, sixteen of the call.
pub(super) fn id_text(id: u64) -> [u8; ID_LEN] {
    let mut text = [0; ID_LEN];
    let (prefix, digits) = text.split_at_mut(PREFIX_LEN);
    prefix.copy_from_slice(&process_prefix().1);
    for (pair, byte) in digits.as_chunks_mut().0.iter_mut().zip(id.to_be_bytes()) {
        *pair = [digit(byte >> 4), digit(byte & 0xf)];
    }
    text
}

/// The call that an id, as JSON text, belongs to, if it is one of this process.
pub(super) fn id_of(json: &[u8]) -> Option<u64> {
    let digits = json.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
    let (prefix, id) = digits.split_at_checked(PREFIX_LEN).filter(|_| digits.len() == ID_LEN)?;
    (number(prefix)? == process_prefix().0).then(|| number(id)).flatten()
}

/// At most sixteen hex digits.
fn number(digits: &[u8]) -> Option<u64> {
    let (mut number, mut all) = (0, 0);
    for digit in digits {
        let worth = worth(*digit);
        number = number << 4 | u64::from(worth & 0xf);
        all |= worth;
    }
    (all != NO_DIGIT).then_some(number)
}

/// Of at most fifteen. Without a branch, which sixteen of them in a row are cheaper for.
const fn digit(worth: u8) -> u8 {
    // From `9` to `a` it is further than from one to the next.
    worth + b'0' + (worth > 9) as u8 * (b'a' - b'0' - 10)
}

/// What a character is worth as a digit, or [`NO_DIGIT`].
const fn worth(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'f' => digit - b'a' + 10,
        b'A'..=b'F' => digit - b'A' + 10,
        _ => NO_DIGIT,
    }
}

/// Tells the ids of this process from those of others, as a number and as text; no secret.
fn process_prefix() -> (u64, [u8; PREFIX_LEN]) {
    static PREFIX: OnceLock<(u64, [u8; PREFIX_LEN])> = OnceLock::new();
    *PREFIX.get_or_init(|| {
        let prefix = RandomState::new().hash_one(0_u8) & 0xf_ffff;
        (prefix, std::array::from_fn(|at| digit((prefix >> (4 * (PREFIX_LEN - 1 - at))) as u8 & 0xf)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cl_6_an_id_is_21_hex_digits_never_used_again_and_known_again() {
        let id = next_id();
        let text = String::from_utf8(id_text(id).to_vec()).unwrap();
        assert_eq!(text, format!("{:05x}{id:016x}", process_prefix().0));
        assert_eq!(text.len(), 21);
        assert!(text.bytes().all(|digit| digit.is_ascii_hexdigit() && !digit.is_ascii_uppercase()));
        assert_eq!(id_of(format!("\"{text}\"").as_bytes()), Some(id));
        assert_ne!(next_id(), id);
        assert!(was_given(id) && !was_given(0) && !was_given(u64::MAX));
    }

    #[test]
    fn other_ids_are_nobody_s() {
        let other = format!("{:05x}{:016x}", process_prefix().0 ^ 1, 1);
        for json in ["", "7", "null", "\"\"", "\"abc\"", &format!("\"{other}\""), "\"é234567890123456789é\""] {
            assert_eq!(id_of(json.as_bytes()), None, "{json}");
        }
    }
}
