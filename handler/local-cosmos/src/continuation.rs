//! Continuations: where the next page of a query or of a list starts, as text for a header.
//!
//! The text is `1.`, the state as JSON in URL-safe base64, a dot, and a checksum. It is ASCII, since a header can have nothing else, and
//! starts with no bracket, since SDKs parse such text themselves. The checksum also covers a scope, such as the container and the query
//! without its filter, so that a continuation of another query is refused and not answered with wrong items. It detects damage and mistakes, not intent.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The form of the text. A later form has another number.
const VERSION: &str = "1";
/// The most bytes of a continuation, whatever a client allows. HTTP clients refuse replies with headers of more than about 16 KB.
const MAX_BYTES: usize = 12 * 1024;

/// Writes the state. `limit_kb` is the client's limit, in kilobytes. The error is a message for the client of a 400.
pub(crate) fn write<T: Serialize>(scope: &str, state: &T, limit_kb: Option<usize>) -> Result<String, String> {
    let state =
        serde_json::to_string(state).map_err(|problem| format!("The continuation cannot be written: {problem}."))?;
    let text = format!("{VERSION}.{}.{}", URL_SAFE_NO_PAD.encode(&state), checksum(scope, &state));
    let limit = limit_kb.map_or(MAX_BYTES, |kilobytes| kilobytes.saturating_mul(1024).min(MAX_BYTES));
    if text.len() > limit {
        return Err(format!(
            "The continuation of this page has {} bytes; the limit is {limit} bytes. Sort by shorter values, or raise \
             x-ms-documentdb-responsecontinuationtokenlimitinkb.",
            text.len()
        ));
    }
    Ok(text)
}

/// Reads a continuation of the same scope. The error is a message for the client of a 400.
pub(crate) fn read<T: DeserializeOwned>(scope: &str, text: &str) -> Result<T, String> {
    let invalid = |problem: &str| Err(format!("The continuation \"{}\" is invalid: {problem}.", shortened(text)));
    let Some((version, rest)) = text.split_once('.') else { return invalid("it is not one of this endpoint") };
    if version != VERSION {
        return invalid("it was made by another version of this endpoint, or is not one of this endpoint");
    }
    let parts = rest.split_once('.').and_then(|(state, sum)| {
        let state = String::from_utf8(URL_SAFE_NO_PAD.decode(state).ok()?).ok()?;
        Some((state, sum))
    });
    let Some((state, sum)) = parts else { return invalid("it is damaged") };
    if checksum(scope, &state) != sum {
        return invalid("it is damaged, or belongs to another query or container");
    }
    match serde_json::from_str(&state) {
        Ok(state) => Ok(state),
        Err(_) => invalid("it belongs to another kind of request"),
    }
}

/// Reads the client's limit, the header `x-ms-documentdb-responsecontinuationtokenlimitinkb`. The error is a message for the client of
/// a 400.
pub(crate) fn limit_kb(header: &str) -> Result<usize, String> {
    match header.trim().parse() {
        Ok(limit) if limit > 0 => Ok(limit),
        _ => Err(format!(
            "x-ms-documentdb-responsecontinuationtokenlimitinkb is \"{header}\"; it must be a number of kilobytes from 1."
        )),
    }
}

/// The hash FNV-1a with 32 bits, of the scope and the state.
fn checksum(scope: &str, state: &str) -> String {
    let bytes = scope.bytes().chain([0]).chain(state.bytes());
    let hash = bytes.fold(0x811c_9dc5, |hash: u32, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    format!("{hash:08x}")
}

fn shortened(text: &str) -> String {
    const MAX_CHARACTERS: usize = 60;
    match text.char_indices().nth(MAX_CHARACTERS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn a_continuation_is_ascii_and_is_read_again() {
        for state in [json!({"rid": "a==", "values": ["ü😀\n", null, 1.5]}), json!(7), json!([])] {
            let text = write("c1 SELECT", &state, None).expect("written");
            assert!(text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)), "{text}");
            assert_eq!(read("c1 SELECT", &text), Ok(state));
        }
    }

    #[test]
    fn a_changed_continuation_is_refused() {
        let text = write("scope", &json!({"after": 12}), None).expect("written");
        for at in 0..text.len() {
            for byte in [b'A', b'b', b'0', b'.'] {
                let mut changed = text.clone().into_bytes();
                if changed[at] != byte {
                    changed[at] = byte;
                    let changed = String::from_utf8(changed).expect("text");
                    let message = read::<Value>("scope", &changed).expect_err("refused");
                    assert!(message.contains(&format!("\"{changed}\" is invalid")), "{message}");
                }
            }
            read::<Value>("scope", &text[..at]).expect_err("refused");
        }
        for other in ["", "ü", "{\"token\":1}", "2.e30.00000000", "1.e30"] {
            read::<Value>("scope", other).expect_err("refused");
        }
        let message = read::<Value>("another scope", &text).expect_err("refused");
        assert!(message.contains("another query"), "{message}");
        let message = read::<String>("scope", &text).expect_err("refused");
        assert!(message.contains("another kind of request"), "{message}");
        let message = read::<Value>("scope", &"é".repeat(100_000)).expect_err("refused");
        assert!(message.len() < 300, "{message}");
    }

    #[test]
    fn the_length_is_limited() {
        let state = "x".repeat(1000);
        assert!(write("", &state, Some(2)).is_ok());
        for (state, limit) in [(&state, Some(1)), (&"x".repeat(10_000), None), (&"x".repeat(10_000), Some(1000))] {
            let message = write("", state, limit).expect_err("refused");
            assert!(message.contains("bytes; the limit is"), "{message}");
        }
        assert_eq!(limit_kb(" 3 "), Ok(3));
        for header in ["", "0", "-1", "1.5", "a"] {
            assert!(limit_kb(header).expect_err("refused").contains(&format!("\"{header}\"")));
        }
    }
}
