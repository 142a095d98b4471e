//! As much of Rust's grammar as the checks need: where code is, and the words of it.

/// The code without comments and without the contents of literals. Lines stay where they are.
pub fn code_only(text: &str) -> String {
    let characters: Vec<char> = text.chars().collect();
    let mut code = String::with_capacity(text.len());
    let mut at = 0;
    while at < characters.len() {
        let end = end_of_blank(&characters, at);
        if end == at {
            code.push(characters[at]);
            at += 1;
        } else {
            code.extend(characters[at..end].iter().map(|character| if *character == '\n' { '\n' } else { ' ' }));
            at = end;
        }
    }
    code
}

/// Where a comment or a literal ends that begins here; `at` where none begins.
fn end_of_blank(text: &[char], at: usize) -> usize {
    let next = |offset: usize| text.get(at + offset).copied();
    let end = match text[at] {
        '/' if next(1) == Some('/') => position(text, at, |rest| rest[0] == '\n'),
        '/' if next(1) == Some('*') => end_of_block_comment(text, at),
        '"' => end_of_string(text, at + 1),
        'r' if next(1) == Some('"') || next(1) == Some('#') => end_of_raw_string(text, at),
        '\'' if next(1) == Some('\\') => position(text, at + 3, |rest| rest[0] == '\'').map(|end| end + 1),
        '\'' if next(2) == Some('\'') => Some(at + 3),
        _ => Some(at),
    };
    end.unwrap_or(text.len())
}

fn position(text: &[char], from: usize, matches: impl Fn(&[char]) -> bool) -> Option<usize> {
    (from..text.len()).find(|at| matches(&text[*at..]))
}

fn end_of_block_comment(text: &[char], at: usize) -> Option<usize> {
    let mut depth = 0;
    let mut at = at;
    while at + 1 < text.len() {
        match (text[at], text[at + 1]) {
            ('/', '*') => (depth, at) = (depth + 1, at + 2),
            ('*', '/') => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            return Some(at);
        }
    }
    None
}

fn end_of_string(text: &[char], from: usize) -> Option<usize> {
    let mut at = from;
    while at < text.len() {
        match text[at] {
            '\\' => at += 2,
            '"' => return Some(at + 1),
            _ => at += 1,
        }
    }
    None
}

/// `at` where it is a raw identifier, such as `r#type`.
fn end_of_raw_string(text: &[char], at: usize) -> Option<usize> {
    let hashes = text[at + 1..].iter().take_while(|character| **character == '#').count();
    if text.get(at + 1 + hashes) != Some(&'"') {
        return Some(at);
    }
    let ends =
        |rest: &[char]| rest[0] == '"' && rest[1..].iter().take_while(|c| **c == '#').take(hashes).count() == hashes;
    position(text, at + 2 + hashes, ends).map(|end| end + 1 + hashes)
}

/// The text with blanks instead of the items that are compiled for tests only. Lines stay where they are.
pub fn without_tests(text: &str) -> String {
    const MARK: &str = "#[cfg(test)]";
    let code: Vec<char> = code_only(text).chars().collect();
    let mut kept: Vec<char> = text.chars().collect();
    let mut at = 0;
    while let Some(start) = position(&code, at, |rest| rest.starts_with(&['#', '['])) {
        at = start + 1;
        if !code[start..].iter().take(MARK.len()).copied().eq(MARK.chars()) {
            continue;
        }
        at = end_of_item(&code, start + MARK.len());
        for character in &mut kept[start..at] {
            if *character != '\n' {
                *character = ' ';
            }
        }
    }
    kept.into_iter().collect()
}

/// Where an item ends: with its body, or with a semicolon.
fn end_of_item(code: &[char], from: usize) -> usize {
    let mut depth = 0;
    for (at, character) in code.iter().enumerate().skip(from) {
        match character {
            '{' | '(' | '[' => depth += 1,
            '}' if depth == 1 => return at + 1,
            '}' | ')' | ']' => depth -= 1,
            ';' if depth == 0 => return at + 1,
            _ => {}
        }
    }
    code.len()
}

/// An identifier, `::`, or one other character, and its line, counted from 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Token<'a> {
    pub text: &'a str,
    pub line: usize,
}

impl Token<'_> {
    pub fn is_identifier(&self) -> bool {
        self.text.starts_with(|first: char| first.is_alphabetic() || first == '_')
    }
}

pub fn tokens(code: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    for (index, line) in code.lines().enumerate() {
        let mut rest = line.trim_start();
        while let Some(first) = rest.chars().next() {
            let is_word = |c: char| c.is_alphanumeric() || c == '_';
            let length = if rest.starts_with("::") {
                2
            } else if is_word(first) {
                rest.find(|c| !is_word(c)).unwrap_or(rest.len())
            } else {
                first.len_utf8()
            };
            tokens.push(Token { text: &rest[..length], line: index + 1 });
            rest = rest[length..].trim_start();
        }
    }
    tokens
}

#[test]
fn comments_and_literals_are_not_code() {
    let text = "a /* b /* \" */ c */ \"d // \\\" e\" f // g\n'\"' 'x' &'static str r#\"h\" i\"# r#type b\"j\" '\\'' k";
    let code = code_only(text);
    let words: Vec<&str> = tokens(&code).iter().map(|token| token.text).collect();
    assert_eq!(words, ["a", "f", "&", "'", "static", "str", "r", "#", "type", "b", "k"]);
    assert_eq!(tokens(&code).last(), Some(&Token { text: "k", line: 2 }));
}

#[test]
fn items_for_tests_are_left_out() {
    let text = "a;\n#[cfg(test)]\nuse b;\nc!(\"#[cfg(test)]\");\n#[cfg(test)]\nmod tests {\n fn d() { '}'; }\n}\ne";
    let code = without_tests(text);
    assert_eq!(
        code.lines().map(str::trim).collect::<Vec<_>>(),
        ["a;", "", "", "c!(\"#[cfg(test)]\");", "", "", "", "", "e"]
    );
}
