//! Splits the text of a query into tokens.
//!
//! Source for the tokens: the grammar `sql.g4` in Microsoft's .NET SDK, and the pages about constants and keywords in its documentation.

use serde_json::Value;

use crate::error::{QueryError, Span};
use crate::value::number;

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Token {
    /// A keyword or a name.
    Word(String),
    Text(String),
    Number(Value),
    /// With its `@`.
    Parameter(String),
    Symbol(&'static str),
    End,
}

#[derive(Clone, Debug)]
pub(crate) struct Spanned {
    pub token: Token,
    pub span: Span,
}

/// Longer symbols come first.
const SYMBOLS: &[&str] = &[
    ">>>", "<<", ">>", "<=", ">=", "<>", "!=", "||", "??", "(", ")", "[", "]", "{", "}", ",", ".", ":", "?", "=", "<",
    ">", "+", "-", "*", "/", "%", "&", "|", "^", "~",
];

/// The tokens of a query, with one [`Token::End`] after the last.
pub(crate) fn tokens(text: &str) -> Result<Vec<Spanned>, QueryError> {
    let mut tokens = Vec::new();
    let mut position = 0;
    loop {
        position = skip_space(text, position);
        let Some(first) = text[position..].chars().next() else { break };
        let start = position;
        let token;
        (token, position) = match first {
            '\'' | '"' => quoted(text, start, first)?,
            '@' => {
                let end = word_end(text, start + 1);
                if end == start + 1 {
                    return Err(QueryError::syntax("@", Span { start, end }));
                }
                (Token::Parameter(text[start..end].to_owned()), end)
            }
            '0'..='9' => numeric(text, start)?,
            '.' if text[start + 1..].starts_with(|next: char| next.is_ascii_digit()) => numeric(text, start)?,
            first if is_word(first) => {
                let end = word_end(text, start);
                (Token::Word(text[start..end].to_owned()), end)
            }
            other => match SYMBOLS.iter().find(|symbol| text[start..].starts_with(**symbol)) {
                Some(symbol) => (Token::Symbol(symbol), start + symbol.len()),
                None => {
                    let end = start + other.len_utf8();
                    return Err(QueryError::syntax(&other.to_string(), Span { start, end }));
                }
            },
        };
        tokens.push(Spanned { token, span: Span { start, end: position } });
    }
    let end = text.len();
    tokens.push(Spanned { token: Token::End, span: Span { start: end, end } });
    Ok(tokens)
}

fn is_word(character: char) -> bool {
    character.is_ascii_alphanumeric() || character == '_'
}

fn word_end(text: &str, start: usize) -> usize {
    text[start..].find(|character| !is_word(character)).map_or(text.len(), |length| start + length)
}

/// The end of white space and comments.
fn skip_space(text: &str, start: usize) -> usize {
    let mut position = start;
    loop {
        let rest = &text[position..];
        let trimmed = rest.trim_start();
        position += rest.len() - trimmed.len();
        if trimmed.starts_with("--") {
            position = trimmed.find('\n').map_or(text.len(), |length| position + length);
        } else if let Some(comment) = trimmed.strip_prefix("/*") {
            position = comment.find("*/").map_or(text.len(), |length| position + 2 + length + 2);
        } else {
            return position;
        }
    }
}

fn numeric(text: &str, start: usize) -> Result<(Token, usize), QueryError> {
    let digits = |from: usize| text[from..].bytes().take_while(u8::is_ascii_digit).count() + from;
    let bytes = text.as_bytes();
    let is = |at: usize, allowed: &[u8]| bytes.get(at).is_some_and(|byte| allowed.contains(byte));
    let mut end;
    let parsed = if is(start, b"0") && is(start + 1, b"xX") {
        end = word_end(text, start);
        let digits = &text[start + 2..end];
        // An integer is a double for the service, also beyond 2^53.
        #[expect(clippy::cast_precision_loss, reason = "numbers are doubles")]
        u64::from_str_radix(digits, 16).ok().map(|integer| integer as f64)
    } else {
        end = digits(start);
        if is(end, b".") {
            end = digits(end + 1);
        }
        if is(end, b"eE") {
            let exponent = if is(end + 1, b"+-") { end + 2 } else { end + 1 };
            end = digits(exponent).max(end + 1);
        }
        let written = &text[start..end];
        // Integers keep their 64 bits: the service says that the greatest one is an integer, which it is not as a double.
        if let Ok(integer) = written.parse::<i64>()
            && word_end(text, end) == end
        {
            return Ok((Token::Number(Value::from(integer)), end));
        }
        written.parse::<f64>().ok()
    };
    end = word_end(text, end);
    let span = Span { start, end };
    let written = &text[start..end];
    match parsed.filter(|_| is_whole_number(written)).and_then(number) {
        Some(value) => Ok((Token::Number(value), end)),
        None => Err(QueryError::new("SC1012", format!("Syntax error, invalid numeric value token '{written}'."), span)),
    }
}

/// Whether all of a word is the number, so that `1abc` is none.
fn is_whole_number(written: &str) -> bool {
    written.starts_with("0x") || written.starts_with("0X") || written.parse::<f64>().is_ok()
}

/// A text in quotes. A backslash escapes as in JSON; in single quotes, a doubled quote is one too.
fn quoted(text: &str, start: usize, quote: char) -> Result<(Token, usize), QueryError> {
    let mut value = String::new();
    let mut characters = text[start + 1..].char_indices().map(|(offset, character)| (start + 1 + offset, character));
    let invalid = |end: usize| {
        let span = Span { start, end: end.min(text.len()) };
        let token = text.get(span.start..span.end).unwrap_or_default();
        QueryError::new("SC1010", format!("Syntax error, invalid string literal token '{token}'."), span)
    };
    while let Some((offset, character)) = characters.next() {
        match character {
            '\\' => match characters.next() {
                Some((_, 'u')) => {
                    let (escaped, length) = unicode(text, offset).ok_or_else(|| invalid(offset + 2))?;
                    value.push(escaped);
                    for _ in 2..length {
                        characters.next();
                    }
                }
                Some((_, 'b')) => value.push('\u{8}'),
                Some((_, 'f')) => value.push('\u{c}'),
                Some((_, 'n')) => value.push('\n'),
                Some((_, 'r')) => value.push('\r'),
                Some((_, 't')) => value.push('\t'),
                Some((_, escaped @ ('\\' | '/' | '"' | '\''))) => value.push(escaped),
                _ => return Err(invalid(offset + 2)),
            },
            end if end == quote => {
                if quote == '\'' && text[offset + 1..].starts_with('\'') {
                    characters.next();
                    value.push('\'');
                } else {
                    return Ok((Token::Text(value), offset + 1));
                }
            }
            other => value.push(other),
        }
    }
    Err(invalid(text.len()))
}

/// The character of `\uXXXX` at an offset, or of two of them that are a surrogate pair, and the length of the escape.
fn unicode(text: &str, offset: usize) -> Option<(char, usize)> {
    let unit = |at: usize| {
        let digits = text.get(at..at + 6)?.strip_prefix("\\u")?;
        digits.bytes().all(|digit| digit.is_ascii_hexdigit()).then(|| u16::from_str_radix(digits, 16).ok()).flatten()
    };
    let first = unit(offset)?;
    if let Some(character) = char::from_u32(u32::from(first)) {
        return Some((character, 6));
    }
    let second = unit(offset + 6)?;
    let character = char::decode_utf16([first, second]).next()?.ok()?;
    Some((character, 12))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn words(text: &str) -> Vec<Token> {
        let mut tokens: Vec<_> = tokens(text).expect(text).into_iter().map(|spanned| spanned.token).collect();
        assert_eq!(tokens.pop(), Some(Token::End));
        tokens
    }

    #[test]
    fn texts_have_single_or_double_quotes_and_escapes() {
        for (query, expected) in [
            (r"'it\'s'", "it's"),
            ("'it''s'", "it's"),
            (r#""it's""#, "it's"),
            (r#""say \"hi\"""#, "say \"hi\""),
            (r#""q\"u\\o'te\nü""#, "q\"u\\o'te\nü"),
            (r"'\u00e9\ud83d\ude00\/\b\f\r\t'", "é😀/\u{8}\u{c}\r\t"),
            ("''", ""),
            ("''''", "'"),
        ] {
            assert_eq!(words(query), [Token::Text(expected.into())], "{query}");
        }
        for refused in ["'open", "\"open", r"'\x'", r"'\u12'", r"'\ud83d'", "'\\", "'\\ué000'"] {
            assert_eq!(tokens(refused).expect_err(refused).code, Some("SC1010"), "{refused}");
        }
    }

    #[test]
    fn numbers_are_integers_or_doubles() {
        for (query, expected) in [
            ("0x10", json!(16)),
            ("0XfF", json!(255)),
            ("1e3", json!(1000)),
            ("1.5E-1", json!(0.15)),
            (".5", json!(0.5)),
            ("1.", json!(1)),
            ("007", json!(7)),
            ("9223372036854775807", json!(i64::MAX)),
            ("18446744073709551616", json!(18_446_744_073_709_551_616.0)),
        ] {
            assert_eq!(words(query), [Token::Number(expected)], "{query}");
        }
        for refused in ["1abc", "0x", "0xg", "1e", "1e999"] {
            assert_eq!(tokens(refused).expect_err(refused).code, Some("SC1012"), "{refused}");
        }
    }

    #[test]
    fn comments_and_spaces_separate() {
        assert_eq!(words("a -- b\n c /* d */e").len(), 3);
        assert_eq!(words("c[@p]>>>1<>2").len(), 8);
        assert_eq!(tokens("a ; b").expect_err("symbol").message, "Syntax error, incorrect syntax near ';'.");
    }
}
