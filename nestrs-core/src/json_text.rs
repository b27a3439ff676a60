//! Texts in JSON, in whole words and blocks: most bytes of a text stand for themselves.

/// Bytes that are looked at together while a text is long.
const BLOCK: usize = 64;
/// As far as words are looked at one by one first, since most texts are short.
const SHORT_MAX: usize = 32;

/// How many bytes at the start of `text` stand for themselves in a JSON text: those before the first quote, backslash or
/// control character. Bytes of characters outside ASCII do.
///
/// ```
/// use nestrs_core::json_text::plain_len;
/// assert_eq!(plain_len("漢x\" and so on".as_bytes()), 4);
/// ```
#[must_use]
pub fn plain_len(text: &[u8]) -> usize {
    let mut plain = 0;
    while let Some(word) = text.get(plain..).and_then(<[u8]>::first_chunk) {
        let marks = special_marks(u64::from_le_bytes(*word));
        if marks != 0 {
            return plain + marks.trailing_zeros() as usize / 8;
        }
        plain += 8;
        if plain == SHORT_MAX {
            return plain + plain_len_in_blocks(text.get(plain..).unwrap_or_default());
        }
    }
    // What is left of the last word, with zeros behind it, of which the first is special.
    let rest = text.len() - plain;
    match text.last_chunk() {
        Some(word) => {
            let word = u64::from_le_bytes(*word) >> 8 >> (8 * (7 - rest));
            plain + special_marks(word).trailing_zeros() as usize / 8
        }
        None => text.iter().take_while(|byte| !is_special(**byte)).count(),
    }
}

fn plain_len_in_blocks(text: &[u8]) -> usize {
    // Without a way out inside a block: that is what the compiler turns into vector instructions.
    let is_plain = |block: &&[u8]| !block.iter().fold(false, |any, byte| any | is_special(*byte));
    let mut plain = BLOCK * text.chunks_exact(BLOCK).take_while(is_plain).count();
    let mut rest = text.get(plain..).unwrap_or_default();
    while let Some((word, after)) = rest.split_first_chunk() {
        let marks = special_marks(u64::from_le_bytes(*word));
        if marks != 0 {
            return plain + marks.trailing_zeros() as usize / 8;
        }
        (plain, rest) = (plain + 8, after);
    }
    plain + rest.iter().take_while(|byte| !is_special(**byte)).count()
}

const fn is_special(byte: u8) -> bool {
    byte < b' ' || byte == b'"' || byte == b'\\'
}

/// The highest bit of the first special byte of a word, counted from its low end, and none below it. (A subtraction may
/// borrow, and so mark plain bytes above a special one.)
const fn special_marks(word: u64) -> u64 {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    const HIGH: u64 = ONES << 7;
    let quotes = word ^ (ONES * b'"' as u64);
    let backslashes = word ^ (ONES * b'\\' as u64);
    let below_space = word.wrapping_sub(ONES * b' ' as u64) & !word;
    (below_space | (quotes.wrapping_sub(ONES) & !quotes) | (backslashes.wrapping_sub(ONES) & !backslashes)) & HIGH
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each byte at each place among plain ones, and with every other byte before and behind it.
    #[test]
    fn the_first_special_byte_is_found_wherever_it_stands() {
        let by_bytes = |text: &[u8]| text.iter().take_while(|byte| !is_special(**byte)).count();
        for len in [0, 1, 7, 8, 9, 17, 63, 64, 65, 130, 200] {
            for at in 0..len {
                for byte in 0..=255 {
                    let mut text = vec![b'x'; len];
                    text[at] = byte;
                    assert_eq!(plain_len(&text), by_bytes(&text), "{byte} at {at} of {len}");
                }
            }
        }
        for pair in 0..=u16::MAX {
            let text = [&pair.to_be_bytes()[..], b"xxxxxx"].concat();
            assert_eq!(plain_len(&text), by_bytes(&text), "{pair:x}");
        }
    }
}
