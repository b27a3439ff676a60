//! The ids of calls: as long as NestJS's, unique within and across processes.

use std::hash::{BuildHasher, RandomState};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

static NEXT: AtomicU64 = AtomicU64::new(1);

/// Ids are never used twice in a process.
pub(crate) fn next_id() -> u64 {
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// Whether this process ever gave the id to a call.
pub(crate) fn was_given(id: u64) -> bool {
    (1..NEXT.load(Ordering::Relaxed)).contains(&id)
}

/// 21 lower-case hex digits, as NestJS's own ids are: five of this process, sixteen of the call.
pub(crate) fn id_text(id: u64) -> String {
    format!("{:05x}{id:016x}", process_prefix())
}

/// The call that an id, as JSON text, belongs to, if it is one of this process.
pub(crate) fn id_of(json: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(json).ok()?.strip_prefix('"')?.strip_suffix('"')?;
    let (prefix, id) = (text.get(..5)?, text.get(5..21)?);
    if text.len() != 21 || u32::from_str_radix(prefix, 16).ok()? != process_prefix() {
        return None;
    }
    u64::from_str_radix(id, 16).ok()
}

/// Tells the ids of this process from those of others; no secret.
fn process_prefix() -> u32 {
    static PREFIX: OnceLock<u32> = OnceLock::new();
    *PREFIX.get_or_init(|| (RandomState::new().hash_one(0_u8) & 0xf_ffff) as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cl_6_an_id_is_21_hex_digits_never_used_again_and_known_again() {
        let id = next_id();
        let text = id_text(id);
        assert_eq!(text.len(), 21);
        assert!(text.bytes().all(|digit| digit.is_ascii_hexdigit() && !digit.is_ascii_uppercase()));
        assert_eq!(id_of(format!("\"{text}\"").as_bytes()), Some(id));
        assert_ne!(next_id(), id);
        assert!(was_given(id) && !was_given(0) && !was_given(u64::MAX));
    }

    #[test]
    fn other_ids_are_nobody_s() {
        let other = format!("{:05x}{:016x}", process_prefix() ^ 1, 1);
        for json in ["", "7", "null", "\"\"", "\"abc\"", &format!("\"{other}\""), "\"é234567890123456789é\""] {
            assert_eq!(id_of(json.as_bytes()), None, "{json}");
        }
    }
}
