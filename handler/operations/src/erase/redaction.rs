//! Removes from the records of jobs what they say about documents.
//!
//! An entry about a document becomes an entry without a name, so that the number of entries stays what the counts of the job say. In texts, an id
//! is replaced by `erased` where it stands as a word of its own. Entries about other documents are not changed, except that a message may
//! name a document that is erased.

use std::collections::HashSet;

use changefeed_cosmos::{digest, printable};
use changefeed_history::{DocumentSet, ERASED};
use serde_json::{Map, Value, json};

/// The fields of records that may be large, and have entries about documents.
pub(super) const LARGE_FIELDS: [&str; 2] = ["items", "documents"];
/// The properties whose texts may name a document.
const TEXTS: [&str; 7] = ["reason", "message", "messages", "problems", "warnings", "filter", "filters"];
/// What takes the place of an id in a text.
const REPLACEMENT: &str = "erased";

/// What is removed from records.
pub(super) struct Redaction<'a> {
    documents: &'a DocumentSet,
    /// The spellings of their ids in texts.
    words: Vec<String>,
    /// The tags of pages that stand for them.
    tags: HashSet<String>,
}

impl<'a> Redaction<'a> {
    pub(super) fn new(documents: &'a DocumentSet) -> Self {
        let mut words: Vec<String> = Vec::new();
        for document in documents.documents() {
            words.push(document.id.clone());
            words.push(printable(&document.id).to_string());
        }
        // The longest first: an id can contain another.
        words.sort_by_key(|word| (std::cmp::Reverse(word.len()), word.clone()));
        words.dedup();
        let tags = documents.documents().iter().map(|document| digest(&document.to_index_key())).collect();
        Self { documents, words, tags }
    }

    /// Removes the documents from a record. Whether it named one.
    pub(super) fn apply(&self, record: &mut Value) -> bool {
        let is_findings = record["kind"] == "findings";
        let Some(properties) = record.as_object_mut() else { return false };
        let mut is_changed = false;
        for (name, value) in properties.iter_mut() {
            is_changed |= match (name.as_str(), value) {
                ("items" | "documents", Value::Array(entries)) => self.entries(entries, is_findings),
                ("tags", Value::Array(tags)) => {
                    retain(tags, |tag| tag.as_str().is_none_or(|tag| !self.tags.contains(tag)))
                }
                ("request", Value::Object(request)) => self.request(request),
                ("job", Value::Object(job)) => self.texts(job) | self.positions(job),
                ("counts", Value::Object(counts)) => self.texts(counts),
                (name, value) if TEXTS.contains(&name) => self.text_of(value),
                _ => false,
            };
        }
        is_changed
    }

    /// Removes documents with further versions from the positions of a move.
    fn positions(&self, job: &mut Map<String, Value>) -> bool {
        let active = job.get_mut("cursor").and_then(|cursor| cursor.pointer_mut("/parts/active"));
        let Some(Value::Array(active)) = active else { return false };
        let mut is_changed = false;
        for continuation in active.iter_mut().filter_map(|part| part.get_mut("continuation")) {
            let position = continuation.as_str().and_then(|text| serde_json::from_str::<Value>(text).ok());
            let Some(mut position) = position else { continue };
            let Some(Value::Array(unfinished)) = position.get_mut("unfinished") else { continue };
            // In this history the document may have another key.
            let is_named = |entry: &Value| {
                let here = json!({"id": entry["document"]["id"], "partitionKey": entry["last"]["key"]});
                self.documents.is_named_by(&entry["document"]) || self.documents.is_named_by(&here)
            };
            if retain(unfinished, |entry| !is_named(entry)) {
                *continuation = json!(position.to_string());
                is_changed = true;
            }
        }
        is_changed
    }

    /// Removes entries about the documents. A finding disappears; any other entry remains without its name.
    fn entries(&self, entries: &mut Vec<Value>, is_findings: bool) -> bool {
        let mut is_changed = is_findings && retain(entries, |entry| !self.documents.is_named_by(entry));
        for entry in entries {
            if self.documents.is_named_by(entry) {
                *entry = nameless(entry);
                is_changed = true;
            } else if let Some(message) = entry.get_mut("message") {
                is_changed |= self.text_of(message);
            }
        }
        is_changed
    }

    /// Removes the documents from a request, which names them in a list, or one by its `id`, or by a key that is the id as well.
    fn request(&self, request: &mut Map<String, Value>) -> bool {
        let mut is_changed = self.texts(request);
        if let Some(Value::Array(documents)) = request.get_mut("documents") {
            is_changed |= self.entries(documents, false);
        }
        if self.documents.is_named_by(&Value::Object(request.clone())) {
            request.shift_remove("pk");
            request.insert("id".to_owned(), json!(""));
            request.insert("partitionKey".to_owned(), json!([]));
            is_changed = true;
        }
        for name in ["pk", "partitionKey"] {
            is_changed |= request.get_mut(name).is_some_and(|key| self.key(key));
        }
        is_changed
    }

    /// Replaces a component of a key that is an id.
    fn key(&self, key: &mut Value) -> bool {
        match key {
            Value::Array(components) => {
                components.iter_mut().fold(false, |changed, component| self.key(component) | changed)
            }
            Value::String(text) if self.documents.documents().iter().any(|document| document.id == *text) => {
                REPLACEMENT.clone_into(text);
                true
            }
            _ => false,
        }
    }

    fn texts(&self, properties: &mut Map<String, Value>) -> bool {
        let texts = properties.iter_mut().filter(|(name, _)| TEXTS.contains(&name.as_str()));
        texts.fold(false, |changed, (_, value)| self.text_of(value) | changed)
    }

    fn text_of(&self, value: &mut Value) -> bool {
        match value {
            Value::String(text) => match without_words(text, &self.words) {
                Some(redacted) => {
                    *text = redacted;
                    true
                }
                None => false,
            },
            Value::Array(values) => values.iter_mut().fold(false, |changed, value| self.text_of(value) | changed),
            _ => false,
        }
    }
}

/// The entry for a document that has lost its name. An item of a restore says why nothing is known of it.
fn nameless(entry: &Value) -> Value {
    let mut nameless = json!({"id": "", "partitionKey": []});
    if entry.get("action").is_some() {
        nameless["action"] = json!("unknown");
        nameless["message"] = json!(ERASED);
    }
    nameless
}

fn retain(values: &mut Vec<Value>, is_retained: impl Fn(&Value) -> bool) -> bool {
    let before = values.len();
    values.retain(is_retained);
    values.len() != before
}

/// The text without these words; `None` if it has none of them.
fn without_words(text: &str, words: &[String]) -> Option<String> {
    let mut redacted: Option<String> = None;
    for word in words {
        let current = redacted.as_deref().unwrap_or(text);
        if let Some(shorter) = without_word(current, word) {
            redacted = Some(shorter);
        }
    }
    redacted
}

fn without_word(text: &str, word: &str) -> Option<String> {
    let (mut redacted, mut rest_start, mut is_changed) = (String::new(), 0, false);
    let mut from = 0;
    while let Some(found) = text.get(from..).and_then(|rest| rest.find(word)).filter(|_| !word.is_empty()) {
        let (start, end) = (from + found, from + found + word.len());
        let touches = |character: Option<char>| character.is_some_and(char::is_alphanumeric);
        let is_inside = touches(text[..start].chars().next_back()) && touches(word.chars().next())
            || touches(text[end..].chars().next()) && touches(word.chars().next_back());
        if !is_inside {
            redacted.push_str(&text[rest_start..start]);
            redacted.push_str(REPLACEMENT);
            (rest_start, is_changed) = (end, true);
        }
        from = end;
    }
    redacted.push_str(&text[rest_start..]);
    is_changed.then_some(redacted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use changefeed_cosmos::{DocumentName, Key};
    use proptest::prelude::*;

    fn set() -> DocumentSet {
        DocumentSet::new(vec![DocumentName { id: "ann-7".into(), partition_key: Key::text("a") }])
    }

    #[test]
    fn the_position_of_a_move_loses_the_document() {
        let unfinished = |id: &str, key: &str, new: &str| json!({"document": {"id": id, "partitionKey": [key]}, "second": 5, "last": {"key": [new]}});
        let record = |unfinished: Value| {
            let position = json!({"next": "n", "unfinished": unfinished}).to_string();
            json!({"kind": "rehome", "job": {"cursor": {"phase": "versions", "parts": {"active": [{"part": 0, "continuation": position}]}}}})
        };
        let (own, renamed, other) =
            (unfinished("ann-7", "a", "x"), unfinished("ann-7", "old", "a"), unfinished("b", "a", "x"));
        assert_eq!(redacted(record(json!([own, other.clone(), renamed]))), Some(record(json!([other.clone()]))));
        assert_eq!(redacted(record(json!([other]))), None);
    }

    fn redacted(mut record: Value) -> Option<Value> {
        let set = set();
        Redaction::new(&set).apply(&mut record).then_some(record)
    }

    #[test]
    fn an_entry_about_a_document_loses_its_name_and_others_stay() {
        let other = json!({"id": "b", "partitionKey": ["a"], "action": "replace", "changes": [{"path": "/friend", "after": "ann-7"}]});
        let own = json!({"id": "ann-7", "partitionKey": ["a"], "action": "replace", "version": "1-v", "changes": [{"path": "/x"}]});
        let tag = digest(&set().documents()[0].to_index_key());
        let page =
            json!({"id": "p", "kind": "restore-items", "items": [other, own], "tags": [tag, "other"], "next": "n"});
        let nameless = json!({"id": "", "partitionKey": [], "action": "unknown", "message": "the document is erased"});
        assert_eq!(
            redacted(page),
            Some(
                json!({"id": "p", "kind": "restore-items", "items": [other, nameless], "tags": ["other"], "next": "n"})
            )
        );
        let of_other_key =
            json!({"kind": "restore", "items": [{"id": "ann-7", "partitionKey": ["b"], "action": "create"}]});
        assert_eq!(redacted(of_other_key), None);
    }

    #[test]
    fn a_request_loses_the_names_of_documents_and_stays_a_request() {
        let one = json!({"kind": "restore", "request": {"id": "ann-7", "partitionKey": ["a"], "asOf": "t"}});
        let expected = json!({"kind": "restore", "request": {"id": "", "partitionKey": [], "asOf": "t"}});
        assert_eq!(redacted(one), Some(expected));
        let list = json!({"request": {"documents": [{"id": "ann-7", "partitionKey": ["a"]}, {"id": "c", "partitionKey": ["a"]}]}});
        let expected =
            json!({"request": {"documents": [{"id": "", "partitionKey": []}, {"id": "c", "partitionKey": ["a"]}]}});
        assert_eq!(redacted(list), Some(expected));
        let key = json!({"kind": "verify", "request": {"partitionKey": ["ann-7"]}});
        assert_eq!(redacted(key), Some(json!({"kind": "verify", "request": {"partitionKey": ["erased"]}})));
    }

    #[test]
    fn an_id_is_replaced_in_texts_where_it_is_a_word() {
        let record = json!({"reason": "for ann-7, not ann-77", "job": {"message": "reading \"ann-7\"", "cursor": "ann-7"},
            "counts": {"messages": ["item ann-7 of container events"], "ann-7": 1}, "request": {"filter": ["id = 'ann-7'"]}});
        let expected = json!({"reason": "for erased, not ann-77", "job": {"message": "reading \"erased\"", "cursor": "ann-7"},
            "counts": {"messages": ["item erased of container events"], "ann-7": 1}, "request": {"filter": ["id = 'erased'"]}});
        assert_eq!(redacted(record), Some(expected));
    }

    #[test]
    fn a_finding_about_a_document_disappears() {
        let page = json!({"kind": "findings", "items": [{"kind": "gone", "id": "ann-7", "partitionKey": ["a"], "version": "1"}]});
        assert_eq!(redacted(page), Some(json!({"kind": "findings", "items": []})));
    }

    proptest! {
        #[test]
        fn no_word_is_left_and_a_text_without_it_is_not_changed(before in "[ab ]{0,4}", word in "[ab]{1,3}", after in "[ab .]{0,4}") {
            let text = format!("{before} {word} {after}");
            let words = vec![word.clone()];
            let without = without_words(&text, &words).expect("the word is there");
            prop_assert!(without.split([' ', '.']).all(|part| part != word), "{text} -> {without}");
            prop_assert_eq!(without_words(&without, &words), None);
        }
    }
}
