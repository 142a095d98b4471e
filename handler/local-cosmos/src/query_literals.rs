//! Text literals in queries. The service reads `'…'` and `"…"` with backslashes as escapes. The emulator, and the planner of the
//! Rust SDK, read only `'…'` with doubled quotes, and take `"…"` for a name.

use serde_json::Value;

use crate::incoming::Incoming;

/// A request for a query or its plan, with the literals as the emulator reads them.
pub(crate) fn in_emulator_syntax(mut incoming: Incoming) -> Incoming {
    if let Ok(mut body) = serde_json::from_slice::<Value>(&incoming.body)
        && let Some(query) = body.get("query").and_then(Value::as_str).and_then(for_emulator)
    {
        body["query"] = Value::String(query);
        incoming.body = body.to_string().into_bytes();
    }
    incoming
}

/// The query with its text literals as the emulator reads them; `None` if they are so already.
pub(crate) fn for_emulator(query: &str) -> Option<String> {
    let mut written = String::with_capacity(query.len());
    let mut rest = query;
    while let Some(character) = rest.chars().next() {
        let next = match character {
            '\'' | '"' => {
                let (text, next) = literal(rest)?;
                if character == '"' && is_name(&written, next) {
                    written.push_str(&rest[..rest.len() - next.len()]);
                } else {
                    written.push_str(&format!("'{}'", text.replace('\'', "''")));
                }
                next
            }
            '-' if rest.starts_with("--") => {
                let (comment, next) = rest.split_at(rest.find('\n').unwrap_or(rest.len()));
                written.push_str(comment);
                next
            }
            _ => {
                written.push(character);
                &rest[character.len_utf8()..]
            }
        };
        rest = next;
    }
    (written != query).then_some(written)
}

/// Whether text in double quotes is a name: a property of an object that the query makes, or an alias.
fn is_name(before: &str, after: &str) -> bool {
    let last_word = before.trim_end().rsplit(char::is_whitespace).next().unwrap_or_default();
    after.trim_start().starts_with(':') || last_word.eq_ignore_ascii_case("AS")
}

/// The text of the literal at the start, and what follows it.
fn literal(query: &str) -> Option<(String, &str)> {
    let mut characters = query.char_indices().peekable();
    let (_, quote) = characters.next()?;
    let mut text = String::new();
    while let Some((at, character)) = characters.next() {
        match character {
            '\\' => match characters.next()?.1 {
                'u' => {
                    let digits: String = characters.by_ref().take(4).map(|(_, digit)| digit).collect();
                    text.push(char::from_u32(u32::from_str_radix(&digits, 16).ok()?)?);
                }
                'n' => text.push('\n'),
                'r' => text.push('\r'),
                't' => text.push('\t'),
                'b' => text.push('\u{8}'),
                'f' => text.push('\u{c}'),
                escaped => text.push(escaped),
            },
            // Queries that the emulator's planner has written have doubled quotes.
            '\'' if quote == '\'' && characters.next_if(|(_, next)| *next == '\'').is_some() => text.push('\''),
            _ if character == quote => return Some((text, &query[at + 1..])),
            _ => text.push(character),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::for_emulator;

    #[test]
    fn literals_of_the_service_become_those_of_the_emulator() {
        for (query, expected) in [
            (r#"SELECT * FROM c WHERE c["a b"] = "x""#, "SELECT * FROM c WHERE c['a b'] = 'x'"),
            (r"SELECT c['it\'s'] FROM c", "SELECT c['it''s'] FROM c"),
            (r"SELECT VALUE 'a\\b\u0041\n'", "SELECT VALUE 'a\\bA\n'"),
            (r#"SELECT VALUE "it's""#, "SELECT VALUE 'it''s'"),
        ] {
            assert_eq!(for_emulator(query).as_deref(), Some(expected), "{query}");
        }
    }

    #[test]
    fn names_comments_and_literals_of_the_emulator_stay_as_they_are() {
        for query in [
            r#"SELECT VALUE {"a": c.a, "b" : 1} FROM c"#,
            r#"SELECT c.a AS "x" FROM c"#,
            "SELECT * FROM c WHERE c.a = 'it''s' AND c.b = '' AND c['d'] = 1",
            "SELECT * FROM c -- \"x\"\nWHERE c.a = 1",
            "SELECT 'unterminated",
        ] {
            assert_eq!(for_emulator(query), None, "{query}");
        }
    }
}
