//! The order of keys that differ: JavaScript's `localeCompare` under ICU's root collation, for printable ASCII.

use std::cmp::Ordering;

/// Printable ASCII in collation order; the two cases of a letter are one place, told apart only when all else is equal.
const ORDER: &[u8] = b" _-,;:!?.'\"()[]{}@*/\\&#%`^+<=>|~$0123456789abcdefghijklmnopqrstuvwxyz";

/// The place of each ASCII character in `ORDER`; 0 for those that have none.
#[expect(clippy::indexing_slicing, reason = "computed at compile time, where an index that is too large is an error")]
const PLACES: [u8; 128] = {
    let mut places = [0; 128];
    let mut index = 0;
    while index < ORDER.len() {
        let place = index as u8 + 1;
        places[ORDER[index] as usize] = place;
        places[ORDER[index].to_ascii_uppercase() as usize] = place;
        index += 1;
    }
    places
};

/// Whether the place of `key` among others is known.
pub(super) fn is_ordered(key: &str) -> bool {
    key.bytes().all(|byte| matches!(byte, b' '..=b'~'))
}

/// Compares two keys for which [`is_ordered`] holds: first as if case did not exist, then lowercase before uppercase
/// at the first place where the case differs.
pub(super) fn compare(one: &str, other: &str) -> Ordering {
    let places = |key: &str| key.bytes().map(|byte| PLACES.get(usize::from(byte))).collect::<Vec<_>>();
    let uppercase = |key: &str| key.bytes().map(|byte| byte.is_ascii_uppercase()).collect::<Vec<_>>();
    places(one).cmp(&places(other)).then_with(|| uppercase(one).cmp(&uppercase(other)))
}

#[cfg(test)]
mod tests {
    use super::compare;

    #[test]
    fn keys_come_in_the_order_of_the_fact_sheet() {
        let sorted = ["", "_", "a", "A", "a_b", "a-b", "a.b", "a10", "a9", "aa", "Aa", "ab", "b", "B"];
        let mut keys = sorted;
        keys.reverse();
        keys.sort_by(|one, other| compare(one, other));
        assert_eq!(keys, sorted);
    }
}
