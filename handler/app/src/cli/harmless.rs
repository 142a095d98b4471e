//! Text from documents that a terminal can show: it cannot move the cursor, change colors, or reverse what is beside it.

use std::borrow::Cow;

/// The text with control characters, and characters that reorder or hide what is beside them, as JSON escapes (`\u001b`). What is JSON stays
/// the same JSON.
pub fn harmless(text: &str) -> Cow<'_, str> {
    escaped(text, is_harmful)
}

/// The same for several lines: line feeds and tabs are left.
pub fn harmless_lines(text: &str) -> Cow<'_, str> {
    escaped(text, |character| is_harmful(character) && !matches!(character, '\n' | '\t'))
}

fn escaped(text: &str, is_escaped: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.contains(&is_escaped) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        match character {
            '\n' if is_escaped('\n') => shown.push_str("\\n"),
            '\t' if is_escaped('\t') => shown.push_str("\\t"),
            '\r' => shown.push_str("\\r"),
            other if is_escaped(other) => {
                for unit in other.encode_utf16(&mut [0; 2]) {
                    shown.push_str(&format!("\\u{unit:04x}"));
                }
            }
            other => shown.push(other),
        }
    }
    Cow::Owned(shown)
}

fn is_harmful(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            // Direction of text.
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
            // Line ends, blanks without width, and tags that are never seen.
            | '\u{2028}' | '\u{2029}' | '\u{200b}' | '\u{2060}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    #[test]
    fn nothing_that_writes_to_the_terminal_is_left() {
        assert_eq!(harmless("\u{1b}[31mred\u{1b}]0;title\u{7}"), "\\u001b[31mred\\u001b]0;title\\u0007");
        assert_eq!(harmless("a\u{9b}2Jb\r\nc\td\u{7f}"), "a\\u009b2Jb\\r\\nc\\td\\u007f");
        assert_eq!(harmless("a\u{202e}b\u{2028}\u{e0041}"), "a\\u202eb\\u2028\\udb40\\udc41");
        assert_eq!(harmless_lines("a\n\tb\u{1b}\r"), "a\n\tb\\u001b\\r");
        for text in ["", "plain", "שלום", "e\u{301}", "漢字", "👩\u{200d}👩\u{200d}👧"] {
            assert!(matches!(harmless(text), Cow::Borrowed(same) if same == text), "{text}");
        }
    }

    #[test]
    fn json_stays_the_same_json() {
        let value = Value::from("a\u{1b}\u{7f}\u{9b}\u{202e}\u{e0041}\u{feff}ü漢\n");
        let text = value.to_string();
        let shown = harmless_lines(&text);
        assert_ne!(shown, text);
        assert_eq!(serde_json::from_str::<Value>(&shown).expect("JSON"), value);
    }
}
