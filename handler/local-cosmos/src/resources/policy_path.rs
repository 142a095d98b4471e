//! The syntax of the paths in the definition of a container.
//!
//! Steps are property names with a slash before each. A name with other characters than letters, digits, `_` and `$` is in
//! double quotes in an indexing policy; the paths of keys allow more characters without quotes, and single quotes too.

/// Reads a path of an indexing policy: `/*`, `/a/?`, `/a/[]/b/*`, `/"a b"/?`. The error is the position of the fault.
pub(crate) fn check_index_path(path: &str) -> Result<(), usize> {
    let mut at = 0;
    let mut has_property = false;
    loop {
        let rest = &path[at..];
        let Some(step) = rest.strip_prefix('/') else { return Err(at) };
        match step {
            "*" => return Ok(()),
            "?" if has_property => return Ok(()),
            _ => {}
        }
        at += 1;
        at += if step.starts_with("[]") { 2 } else { label(step).ok_or(at)? };
        has_property = true;
        if at == path.len() {
            return Err(at);
        }
    }
}

/// A step of a path of an indexing policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum IndexStep {
    Property(String),
    /// Any element of an array.
    Elements,
}

/// The steps of a path that was checked, and whether it ends with `/*`.
pub(crate) fn index_steps(path: &str) -> (Vec<IndexStep>, bool) {
    let mut steps = Vec::new();
    let mut rest = path;
    while let Some(step) = rest.strip_prefix('/') {
        let length = match step {
            "*" => return (steps, true),
            "?" => break,
            _ if step.starts_with("[]") => 2,
            _ => label(step).unwrap_or(step.len()),
        };
        let (name, after) = step.split_at(length);
        steps.push(if name == "[]" { IndexStep::Elements } else { IndexStep::Property(unquoted(name)) });
        rest = after;
    }
    (steps, false)
}

/// The name that stands in quotes or without them.
fn unquoted(label: &str) -> String {
    let quoted = label.strip_prefix('"').and_then(|name| name.strip_suffix('"'));
    let Some(quoted) = quoted else { return label.to_owned() };
    let mut name = String::with_capacity(quoted.len());
    let mut characters = quoted.chars();
    while let Some(character) = characters.next() {
        name.push(if character == '\\' { characters.next().unwrap_or(character) } else { character });
    }
    name
}

/// Reads a path of a composite index, which has names only: `/a`, `/a/"b c"`. The error is the position of the fault.
pub(crate) fn check_composite_path(path: &str) -> Result<(), usize> {
    let mut at = 0;
    loop {
        let Some(step) = path[at..].strip_prefix('/') else { return Err(at) };
        at += 1;
        at += label(step).ok_or(at)?;
        if at == path.len() {
            return Ok(());
        }
    }
}

/// Reads a path of a partition key or a unique key. The error is the position of the fault.
pub(crate) fn check_key_path(path: &str) -> Result<(), usize> {
    let mut at = 0;
    loop {
        let Some(step) = path[at..].strip_prefix('/') else { return Err(at) };
        at += 1;
        at += key_label(step).map_err(|fault| at + fault)?;
        if at == path.len() {
            return Ok(());
        }
    }
}

/// The bytes of the name at the start of a text; `None` if there is none.
fn label(text: &str) -> Option<usize> {
    if text.starts_with('"') {
        return quoted(text);
    }
    let is_of_name = |character: char| character.is_alphanumeric() || character == '_' || character == '$';
    let length = text.find(|character| !is_of_name(character)).unwrap_or(text.len());
    let starts_with_digit = text.starts_with(|first: char| first.is_ascii_digit());
    (length > 0 && !starts_with_digit).then_some(length)
}

/// The bytes of the name at the start of a text.
fn key_label(text: &str) -> Result<usize, usize> {
    if text.starts_with(['"', '\'']) {
        return quoted(text).ok_or(0);
    }
    let length = text.find('/').unwrap_or(text.len());
    let name = &text[..length];
    let is_refused = |character: char| "*?@#[]\"'".contains(character) || character.is_control();
    let trimmed = name.trim_end();
    let inner = trimmed.trim_start();
    if inner.is_empty() {
        return Err(length);
    }
    match inner.find(|character: char| is_refused(character) || character.is_whitespace()) {
        Some(fault) => Err(trimmed.len() - inner.len() + fault),
        None => Ok(length),
    }
}

/// The bytes of the quoted name at the start of a text, with its quotes. A backslash keeps a quote from ending it.
fn quoted(text: &str) -> Option<usize> {
    let quote = text.chars().next()?;
    let mut is_escaped = false;
    for (at, character) in text.char_indices().skip(1) {
        if character == quote && !is_escaped {
            return (at > 1).then_some(at + 1);
        }
        is_escaped = character == '\\' && !is_escaped;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Source of the examples: "Indexing policies in Azure Cosmos DB" in Microsoft's documentation, and refusals of the service.
    #[test]
    fn index_paths_end_with_a_question_mark_or_a_star() {
        for path in [
            "/*",
            "/a/?",
            "/a/b/*",
            "/employees/[]/name/?",
            "/tags/[]/?",
            "/\"_etag\"/?",
            "/\"a/b c\\\"d\"/*",
            "/straße/$type/_x1/?",
        ] {
            assert_eq!(check_index_path(path), Ok(()), "{path}");
        }
        for (path, at) in [
            ("/expiration", 11),
            ("", 0),
            ("a/?", 0),
            ("/", 1),
            ("/?", 1),
            ("/a/*/b/?", 3),
            ("/a-b/?", 2),
            ("/1a/?", 1),
            ("/a//?", 3),
            ("/a/?/b", 3),
            ("/\"a/?", 1),
            ("/\"\"/?", 1),
            ("/a/[0]/?", 3),
            ("/a b/?", 2),
        ] {
            assert_eq!(check_index_path(path), Err(at), "{path}");
        }
    }

    #[test]
    fn composite_paths_have_names_only() {
        for path in ["/a", "/a/b", "/\"a b\"/c", "/_ts"] {
            assert_eq!(check_composite_path(path), Ok(()), "{path}");
        }
        for (path, at) in [("/a/?", 3), ("/*", 1), ("a", 0), ("", 0), ("/a/", 3), ("/a/[]/b", 3)] {
            assert_eq!(check_composite_path(path), Err(at), "{path}");
        }
    }

    #[test]
    fn key_paths_have_no_wildcards_and_no_slash_at_the_end() {
        for path in
            ["/pk", "/a/b", "/customer-id", "/a.b", "/\"a b\"/'c/d'", "/\"a@b\"", "/ a /b", "/id", "/_partitionKey"]
        {
            assert_eq!(check_key_path(path), Ok(()), "{path}");
        }
        for (path, at) in [
            ("", 0),
            ("pk", 0),
            ("C:/Program Files/Git/x", 0),
            ("/", 1),
            ("/pk/", 4),
            ("/pk/*", 4),
            ("/pk/?", 4),
            ("/asdwqr31 @#$#$WRadf", 9),
            ("/a//b", 3),
            ("/\"a", 1),
            ("/\"a\"b", 4),
            ("/''", 1),
        ] {
            assert_eq!(check_key_path(path), Err(at), "{path}");
        }
    }
}
