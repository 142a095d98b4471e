//! The words of a text, as full-text search counts and compares them.
//!
//! Microsoft documents that the service splits a text into words, leaves out stop words and compares the stems of words. Its list of stop
//! words is not public. With this one, the queries over the 100 texts in the tests of Microsoft's .NET SDK (`HybridSearchQueryTests`) have
//! the results that those tests expect.

use std::collections::HashSet;
use std::sync::LazyLock;

use rust_stemmers::{Algorithm, Stemmer};

/// English words that say nothing about the subject of a text, and what an apostrophe leaves of others.
static STOP_WORDS: LazyLock<HashSet<&str>> = LazyLock::new(|| include_str!("stop_words.txt").lines().collect());

/// The stems of the words of a text, without stop words.
pub(super) fn words(text: &str) -> Vec<String> {
    let stemmer = Stemmer::create(Algorithm::English);
    let lower = text.to_lowercase();
    let words = lower.split(|character: char| !character.is_alphanumeric()).filter(|word| !word.is_empty());
    let words = words.filter(|word| !STOP_WORDS.contains(word));
    words.map(|word| stemmer.stem(word).into_owned()).collect()
}

/// How often a word or phrase is in a text, both as [`words`].
pub(super) fn occurrences(text: &[String], phrase: &[String]) -> usize {
    if phrase.is_empty() {
        return 0;
    }
    text.windows(phrase.len()).filter(|window| *window == phrase).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_has_the_stems_of_its_words() {
        for (text, expected) in [
            ("The Swimmers swim, and swimming is fun!", vec!["swimmer", "swim", "swim", "fun"]),
            ("Mountain-bike: 1,977 miles", vec!["mountain", "bike", "1", "977", "mile"]),
            ("It's John's", vec!["john"]),
            ("Ä \u{1f600} ÖL", vec!["ä", "öl"]),
            ("to be, or not to be", vec![]),
            ("", vec![]),
        ] {
            assert_eq!(words(text), expected, "{text}");
        }
    }

    #[test]
    fn phrases_are_counted_where_their_words_follow_each_other() {
        let text = words("The United States of America: united, the States united.");
        for (phrase, count) in [
            ("United States", 2),
            ("united state", 2),
            ("states united", 1),
            ("united", 3),
            ("the", 0),
            ("america united", 1),
        ] {
            assert_eq!(occurrences(&text, &words(phrase)), count, "{phrase}");
        }
    }
}
