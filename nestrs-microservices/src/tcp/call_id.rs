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
/// The two digits of each byte.
const PAIRS: [[u8; 2]; 256] = {
    let mut pairs = [[0; 2]; 256];
    let (mut rest, mut byte) = (pairs.as_mut_slice(), 0_u16);
    while let [pair, after @ ..] = rest {
        *pair = [digit((byte >> 4) as u8), digit(byte as u8 & 0xf)];
        (rest, byte) = (after, byte + 1);
    }
    pairs
};

/// 21 lower-case hex digits, as NestJS's own ids are: five of this process, sixteen of the call.
pub(super) fn id_text(id: u64) -> [u8; ID_LEN] {
    let mut text = [0; ID_LEN];
    let (prefix, digits) = text.split_at_mut(PREFIX_LEN);
    prefix.copy_from_slice(&process_prefix());
    for (pair, byte) in digits.as_chunks_mut().0.iter_mut().zip(id.to_be_bytes()) {
        *pair = PAIRS.get(usize::from(byte)).copied().unwrap_or_default();
    }
    text
}

/// The call that an id, as JSON text, belongs to, if it is one of this process, as this process writes it.
pub(super) fn id_of(json: &[u8]) -> Option<u64> {
    let text = json.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
    let (prefix, digits) = text.split_first_chunk::<PREFIX_LEN>()?;
    if *prefix != process_prefix() {
        return None;
    }
    let digits: &[u8; 16] = digits.try_into().ok()?;
    digits.iter().try_fold(0, |id, digit| Some(id << 4 | u64::from(worth(*digit)?)))
}

/// Of at most fifteen.
const fn digit(worth: u8) -> u8 {
    if worth < 10 { b'0' + worth } else { b'a' - 10 + worth }
}

const fn worth(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

/// Tells the ids of this process from those of others; no secret.
fn process_prefix() -> [u8; PREFIX_LEN] {
    static PREFIX: OnceLock<[u8; PREFIX_LEN]> = OnceLock::new();
    *PREFIX.get_or_init(|| {
        let prefix = RandomState::new().hash_one(0_u8);
        std::array::from_fn(|at| digit((prefix >> (4 * at)) as u8 & 0xf))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cl_6_an_id_is_21_hex_digits_never_used_again_and_known_again() {
        let id = next_id();
        let text = String::from_utf8(id_text(id).to_vec()).unwrap();
        let prefix = String::from_utf8(process_prefix().to_vec()).unwrap();
        assert_eq!(text, format!("{prefix}{id:016x}"));
        assert_eq!(text.len(), 21);
        assert!(text.bytes().all(|digit| digit.is_ascii_hexdigit() && !digit.is_ascii_uppercase()));
        assert_eq!(id_of(format!("\"{text}\"").as_bytes()), Some(id));
        assert_ne!(next_id(), id);
        assert!(was_given(id) && !was_given(0) && !was_given(u64::MAX));
    }

    #[test]
    fn other_ids_are_nobody_s() {
        let mut prefix = process_prefix();
        let ours = format!("\"{}{:016x}\"", String::from_utf8(prefix.to_vec()).unwrap(), 0xabc);
        assert_eq!(id_of(ours.as_bytes()), Some(0xabc));
        prefix[4] = if prefix[4] == b'0' { b'1' } else { b'0' };
        let other = format!("{}{:016x}", String::from_utf8(prefix.to_vec()).unwrap(), 0xabc);
        let other_digits = ours.to_ascii_uppercase();
        let longer = ours.replace("abc", "0abc");
        for json in [
            "",
            "7",
            "null",
            "\"\"",
            "\"abc\"",
            &format!("\"{other}\""),
            &other_digits,
            &longer,
            "\"é234567890123456789é\"",
        ] {
            assert_eq!(id_of(json.as_bytes()), None, "{json}");
        }
    }
}
