//! Text made fit for a line: nothing in it can begin another line, move the cursor or read from right to left.

use std::fmt::{self, Write};

/// The most bytes of one message or field. What is longer is cut, and the cut says how much is missing.
const VALUE_MAX: usize = 8 * 1024;

/// Whether a character would change how the text around it is shown, instead of being shown.
fn is_unruly(char: char) -> bool {
    char.is_control()
        || matches!(char, '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{200e}' | '\u{200f}' | '\u{061c}'
            | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Appends a text for people.
pub(super) fn push_plain(line: &mut String, text: &str) {
    for char in text.chars() {
        if is_unruly(char) { line.extend(char.escape_default()) } else { line.push(char) }
    }
}

/// Appends a field's value for people: quoted where it would not be clear where it ends.
pub(super) fn push_value(line: &mut String, text: &str) {
    let bare = |char: char| !char.is_whitespace() && !matches!(char, '"' | '=' | '{' | '}' | '\\') && !is_unruly(char);
    if !text.is_empty() && text.chars().all(bare) {
        line.push_str(text);
        return;
    }
    line.push('"');
    for char in text.chars() {
        match char {
            '"' | '\\' => line.extend(['\\', char]),
            _ if is_unruly(char) => line.extend(char.escape_default()),
            _ => line.push(char),
        }
    }
    line.push('"');
}

/// Appends a JSON string.
pub(super) fn push_json(line: &mut String, text: &str) {
    line.push('"');
    for char in text.chars() {
        match char {
            '"' | '\\' => line.extend(['\\', char]),
            '\n' => line.push_str("\\n"),
            '\r' => line.push_str("\\r"),
            '\t' => line.push_str("\\t"),
            // All of them are of the basic plane: four digits are enough.
            _ if is_unruly(char) => _ = write!(line, "\\u{:04x}", u32::from(char)),
            _ => line.push(char),
        }
    }
    line.push('"');
}

/// Takes what is formatted into it, up to the limit: a value of any size takes no more memory than that.
#[derive(Default)]
pub(super) struct Bounded {
    text: String,
    missing: usize,
}

impl Bounded {
    pub(super) fn format(value: fmt::Arguments<'_>) -> String {
        let mut bounded = Self::default();
        // A value that cannot be formatted has said what it could.
        let _ = bounded.write_fmt(value);
        if bounded.missing > 0 {
            let _ = write!(bounded.text, "… ({} bytes more)", bounded.missing);
        }
        bounded.text
    }
}

impl Write for Bounded {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = if self.missing > 0 { 0 } else { VALUE_MAX.saturating_sub(self.text.len()) };
        let taken = (0..=room.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        self.text.push_str(&text[..taken]);
        self.missing += text.len() - taken;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, plain: &str, value: &str, json: &str) {
        let [mut a, mut b, mut c] = [String::new(), String::new(), String::new()];
        push_plain(&mut a, text);
        push_value(&mut b, text);
        push_json(&mut c, text);
        assert_eq!((a.as_str(), b.as_str(), c.as_str()), (plain, value, json));
        assert_eq!(serde_json::from_str::<String>(&c).unwrap(), text, "JSON gives it back");
    }

    #[test]
    fn nothing_begins_another_line_or_moves_the_cursor() {
        check("math.add", "math.add", "math.add", r#""math.add""#);
        check("", "", r#""""#, r#""""#);
        check("größe 😀", "größe 😀", r#""größe 😀""#, r#""größe 😀""#);
        check("a\r\n[Nest] b", r"a\r\n[Nest] b", r#""a\r\n[Nest] b""#, r#""a\r\n[Nest] b""#);
        check("\u{1b}[2J\u{7f}", r"\u{1b}[2J\u{7f}", r#""\u{1b}[2J\u{7f}""#, r#""\u001b[2J\u007f""#);
        check("\u{9b}1m\u{85}", r"\u{9b}1m\u{85}", r#""\u{9b}1m\u{85}""#, r#""\u009b1m\u0085""#);
        check("\u{202e}x\u{2028}", r"\u{202e}x\u{2028}", r#""\u{202e}x\u{2028}""#, r#""\u202ex\u2028""#);
        check(r#"x" id=7"#, r#"x" id=7"#, r#""x\" id=7""#, r#""x\" id=7""#);
        check(r"back\slash", r"back\slash", r#""back\\slash""#, r#""back\\slash""#);
    }

    #[test]
    fn a_long_value_is_cut_between_characters_and_says_so() {
        let text = Bounded::format(format_args!("x{}{}", "é".repeat(VALUE_MAX), "never shown"));
        assert!(text.starts_with("xéé") && !text.contains("shown"), "{}", text.len());
        assert!(text.ends_with("é… (8205 bytes more)"), "{}", &text[VALUE_MAX - 9..]);
        assert_eq!(Bounded::format(format_args!("short")), "short");
    }
}
