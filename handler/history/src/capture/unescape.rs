//! Decodes a JSON string in its own memory. A batch comes as JSON inside strings and can be larger than 100 MB; a JSON parser
//! would copy each of those texts twice.

/// Replaces a buffer, which has a JSON string from `start` on, by the text of that string. `None` when it is not one JSON string
/// with nothing but white space behind it; the content of the buffer is then undefined.
pub(super) fn unescape_in_place(buffer: &mut Vec<u8>, start: usize) -> Option<()> {
    if *buffer.get(start)? != b'"' {
        return None;
    }
    let (mut read, mut written) = (start + 1, 0);
    loop {
        let run = buffer.get(read..)?.iter().position(|byte| matches!(byte, b'"' | b'\\' | ..b' '))?;
        buffer.copy_within(read..read + run, written);
        (read, written) = (read + run, written + run);
        match buffer[read] {
            b'"' => break,
            b'\\' => {
                let (character, length) = escaped(buffer.get(read + 1..)?)?;
                // Every escape is longer than its character in UTF-8.
                written += character.encode_utf8(&mut buffer[written..read + 1 + length]).len();
                read += 1 + length;
            }
            _ => return None,
        }
    }
    let is_end = buffer[read + 1..].iter().all(u8::is_ascii_whitespace);
    buffer.truncate(written);
    is_end.then_some(())
}

/// The character of an escape, of which the backslash has been read, and the number of bytes read.
fn escaped(text: &[u8]) -> Option<(char, usize)> {
    let character = match text.first()? {
        b'"' => '"',
        b'\\' => '\\',
        b'/' => '/',
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        b'u' => {
            let first = code_unit(text)?;
            if let Some(character) = char::from_u32(first.into()) {
                return Some((character, 5));
            }
            let rest = text.get(5..)?.strip_prefix(b"\\")?;
            return match char::decode_utf16([first, code_unit(rest)?]).next() {
                Some(Ok(character)) => Some((character, 11)),
                _ => None,
            };
        }
        _ => return None,
    };
    Some((character, 1))
}

/// The number in `u` and four hexadecimal digits.
fn code_unit(text: &[u8]) -> Option<u16> {
    let digits = text.strip_prefix(b"u")?.get(..4)?;
    digits.iter().try_fold(0, |number, digit| Some(number << 4 | char::from(*digit).to_digit(16)? as u16))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn unescaped(text: &[u8], start: usize) -> Option<String> {
        let mut buffer = text.to_vec();
        unescape_in_place(&mut buffer, start)?;
        String::from_utf8(buffer).ok()
    }

    proptest! {
        #[test]
        fn a_text_is_what_was_encoded(text in any::<String>(), before in "[ -~]{0,5}", after in "[ \n\r\t]{0,3}") {
            let encoded = format!("{before}{}{after}", serde_json::to_string(&text).expect("JSON"));
            prop_assert_eq!(unescaped(encoded.as_bytes(), before.len()), Some(text));
        }

        #[test]
        fn a_text_is_what_the_parser_finds(text in r#"("|\\|\\u|\\ud83d|\\uDE00|\\u00e9|\\n|[0-9a-fg]|[bfrtnu/é😀\x00-\x20])*"#) {
            let quoted = format!("\"{text}\"");
            for text in [&text, &quoted] {
                prop_assert_eq!(unescaped(text.as_bytes(), 0), serde_json::from_str(text).ok());
            }
        }
    }

    #[test]
    fn what_is_not_a_string_is_refused() {
        for text in ["", "\"", "1", "\"a", "\"a\"b", "\"\\", "\"\\u12\"", "\"\\ud83d\"", "\"\\ud83dx\"", "\"\n\""] {
            assert_eq!(unescaped(text.as_bytes(), 0), None, "{text}");
        }
        assert_eq!(unescaped(b"\"\xff\"", 0), None);
        assert_eq!(unescaped(b"\"a\"", 3), None);
    }
}
