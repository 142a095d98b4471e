//! Full-text search: FULLTEXTCONTAINS and related functions, and the functions in the texts that clients get with the plan of a ranked
//! query.
//!
//! `_FullTextScore` is BM25 with its usual constants: for each term, the logarithm of how rare it is, times how often the text has it,
//! which counts less in a long text.

mod words;

use serde_json::Value;

use super::arguments::{self, Arguments};
use super::builtin::Builtin;
use super::logic;
use super::partial::{Partial, Unsettled};
use crate::value::number;
use words::{occurrences, words};

/// How much more a second occurrence of a term counts.
const SATURATION: f64 = 1.2;
/// How much the length of the text counts.
const LENGTH_WEIGHT: f64 = 0.75;

const FUZZY: Unsettled = "A term of full-text search that is an object (fuzzy search) is not supported; use a string.";

pub(super) const FUNCTIONS: &[Builtin] = &[
    Builtin::new("_FULLTEXTSCORE", 5, 5, score),
    Builtin::new("_FULLTEXTWORDCOUNT", 1, 1, |arguments| {
        Some(Value::from(words(arguments::text(arguments, 0)?).len()))
    }),
];

pub(super) const PARTIAL: &[Partial] = &[
    Partial::new("FULLTEXTCONTAINS", 2, 2, |arguments| contains(arguments, |found| logic::all(found.into_iter()))),
    Partial::new("FULLTEXTCONTAINSALL", 2, usize::MAX, |arguments| {
        contains(arguments, |found| logic::all(found.into_iter()))
    }),
    Partial::new("FULLTEXTCONTAINSANY", 2, usize::MAX, |arguments| {
        contains(arguments, |found| logic::any(found.into_iter()))
    }),
];

/// Whether the first argument has the words of the others.
fn contains(
    arguments: &Arguments<'_>,
    combine: fn(Vec<Option<bool>>) -> Option<bool>,
) -> Result<Option<Value>, Unsettled> {
    if arguments.iter().skip(1).flatten().any(|term| term.is_object()) {
        return Err(FUZZY);
    }
    let Some(text) = arguments::text(arguments, 0) else { return Ok(None) };
    let text = words(text);
    let found = |index| Some(occurrences(&text, &words(arguments::text(arguments, index)?)) > 0);
    Ok(combine((1..arguments.len()).map(found).collect()).map(Value::from))
}

/// _FULLTEXTSCORE(text, terms, number of documents, words in all of them, for each term the number of documents that have it).
#[expect(clippy::cast_precision_loss, reason = "numbers are doubles")]
fn score(arguments: &Arguments<'_>) -> Option<Value> {
    let text = words(arguments::text(arguments, 0)?);
    let terms = arguments::array(arguments, 1)?;
    let documents = arguments::double(arguments, 2)?;
    let average = arguments::double(arguments, 3)? / documents;
    let hits = arguments::array(arguments, 4)?;
    if terms.len() != hits.len() {
        return None;
    }
    let relative_length = if average > 0.0 { text.len() as f64 / average } else { 1.0 };
    let mut score = 0.0;
    for (term, hits) in terms.iter().zip(hits) {
        let (count, hits) = (occurrences(&text, &words(term.as_str()?)) as f64, hits.as_f64()?);
        let rarity = (1.0 + (documents - hits + 0.5).max(0.0) / (hits + 0.5)).ln();
        let length = 1.0 - LENGTH_WEIGHT + LENGTH_WEIGHT * relative_length;
        score += rarity * count * (SATURATION + 1.0) / (count + SATURATION * length);
    }
    number(score)
}

#[cfg(test)]
mod tests {
    use super::super::examples::{examples, undefined};

    #[test]
    fn the_score_is_that_of_bm25() {
        // Computed by hand: ln(1 + (3 - 2 + 0.5) / (2 + 0.5)) = 0.47000…; lengths 2 and 4 of an average of 3.
        examples! {
            _FULLTEXTSCORE("swim far", ["swim"], 3, 9, [2]) => 0.5442147286003255;
            _FULLTEXTSCORE("swim, swim and run fast", ["swim"], 3, 9, [2]) => 0.5908617053374963;
            _FULLTEXTSCORE("swim far", ["run"], 3, 9, [1]) => 0;
            _FULLTEXTSCORE("swim far", ["swim", "run"], 3, 9, [2, 1]) => 0.5442147286003255;
            _FULLTEXTSCORE("", ["swim"], 0, 0, [0]) => 0;
            _FULLTEXTSCORE("", ["swim"], 1, 0, [0]) => 0;
            _FULLTEXTSCORE(1, ["swim"], 3, 9, [2]) => undefined;
            _FULLTEXTSCORE("swim", ["swim"], 3, 9, []) => undefined;
            _FULLTEXTWORDCOUNT("The swimmers swim") => 2;
            _FULLTEXTWORDCOUNT(null) => undefined;
        }
    }
}
