//! Words that readers stumbled over. Each has a plain replacement; see the list.

use crate::tree::{File, assert_none, at, exists, file, files};

/// A phrase in two parts, so that this file does not have it, and what to write instead.
const NEVER: &[(&str, &str, &str)] = &[
    ("who", "ever", "name the actor: a worker, the caller"),
    ("whom", "ever", "name the actor: a worker, the caller"),
    ("some", "body", "name the actor: another worker, the caller"),
    ("no", "body", "name the actor: no worker, no processor"),
    ("for ", "ever", "indefinitely, or: until …"),
    ("gone", " on", "resumed"),
    ("goes", " on", "resumes, continues"),
    ("go", " on", "resume, continue"),
    ("went", " on", "resumed, continued"),
    ("come", " again", "be redelivered, return"),
    ("comes", " again", "is redelivered, returns"),
    ("its", " kin", "related settings"),
    ("come", " upon", "find"),
    ("no dead letter", " any more", "is removed from the dead letters"),
    ("holds the live documents", " against", "compares live documents with the history"),
    ("held", " against", "compared with"),
    ("what is", " there already", "existing resources"),
    ("is no", " parameter", "unknown parameter"),
    ("to", "ld", "reported, given, received"),
    ("tell", " of", "report"),
    ("tells", " of", "reports"),
    ("let", " go", "release, delete"),
    ("lets", " go", "releases, deletes"),
    ("is", " met", "is observed, is read"),
    ("are", " met", "are observed, are read"),
    ("side", " by side", "concurrently, in parallel"),
    ("an", "ew", "again"),
    ("made", " sure", "checked, ensured"),
    ("what became", " of", "the outcome, the result"),
    ("takes", " away", "removes"),
    ("lost or", " doubled", "lost or duplicated"),
    ("is at an", " end", "has ended"),
    ("not", " apart", "does not distinguish"),
];

/// Two texts that must not stand on one line or on two that follow each other, in this order.
const NEVER_NEAR: (&str, (&str, &str)) = ("retr", ("without", " end"));

/// The words of a text with one blank between them, and where lines begin in it. An identifier is its words. Comment marks are
/// left out, so that a phrase is found across the end of a line.
struct Prose {
    text: String,
    /// For each line, where it begins.
    lines: Vec<usize>,
}

impl Prose {
    fn of(text: &str) -> Self {
        let mut prose = Self { text: String::new(), lines: Vec::new() };
        for line in text.lines() {
            prose.lines.push(prose.text.len());
            let line = line.trim_start().trim_start_matches(['/', '!', '#', '>', '*']).trim_end_matches('\\');
            for word in line.split(|character: char| character.is_whitespace() || character == '_') {
                if !word.is_empty() {
                    prose.text += &word.to_lowercase();
                    prose.text.push(' ');
                }
            }
        }
        prose
    }

    fn line(&self, position: usize) -> usize {
        self.lines.partition_point(|start| *start <= position)
    }

    /// Where a phrase stands as words of its own.
    fn find<'a>(&'a self, phrase: &'a str) -> impl Iterator<Item = usize> + 'a {
        let ends_word = |character: Option<char>| !character.is_some_and(char::is_alphanumeric);
        self.text.match_indices(phrase).map(|(position, _)| position).filter(move |position| {
            ends_word(self.text[..*position].chars().next_back())
                && ends_word(self.text[position + phrase.len()..].chars().next())
        })
    }
}

fn hard_words(files: &[File]) -> Vec<String> {
    let mut found = Vec::new();
    for file in files {
        let prose = Prose::of(&file.text);
        for (first, second, plain) in NEVER {
            let phrase = [*first, *second].concat();
            for position in prose.find(&phrase) {
                found.push(at(&file.path, prose.line(position), format!("\"{phrase}\"; plain: {plain}")));
            }
        }
        let (before, (first, second)) = NEVER_NEAR;
        let phrase = [first, second].concat();
        for position in prose.find(&phrase) {
            let line = prose.line(position);
            let near = prose.lines[line.saturating_sub(2)];
            if prose.text[near..position].contains(before) {
                let message = format!("\"{before}… {phrase}\"; plain: retry indefinitely");
                found.push(at(&file.path, line, message));
            }
        }
    }
    found
}

#[test]
fn texts_and_names_are_plain_english() {
    let mut all = files("handler", ".rs");
    all.extend(files("docs", ".md"));
    all.extend(super::documents::at_root());
    all.extend(files("data", ".md"));
    all.extend(
        ["local.settings.json.sample", "Cargo.toml", "deny.toml"]
            .iter()
            .filter(|path| exists(path))
            .map(|path| file(path)),
    );
    assert_none(&hard_words(&all));
}

#[test]
fn hard_words_are_reported_across_lines_and_in_any_case() {
    let text =
        ["//! Kept for\n//! ", "ever. Who", "ever reads\n/// for every one\nfn what_became", "_of_it() {}\n"].concat();
    let near = ["Retries the batch\nwith", "out end.\n\nGrows with", "out end.\n"].concat();
    let planted = [File::new("a.rs", &text), File::new("b.md", &near)];
    let found = hard_words(&planted);
    let places: Vec<String> =
        found.iter().map(|found| found.split('"').next().unwrap_or_default().to_owned()).collect();
    assert_eq!(places, ["a.rs:2: ", "a.rs:1: ", "a.rs:4: ", "b.md:2: "], "{found:?}");
}
