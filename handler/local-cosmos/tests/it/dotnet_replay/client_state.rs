//! What a client knows from earlier answers: resource ids, ranges, etags, session tokens, continuations.

use std::collections::HashMap;

use serde_json::Value;

/// A partition key range as a client knows it.
#[derive(Clone, Debug, PartialEq)]
pub struct Range {
    pub id: String,
    pub min: String,
    pub max: String,
}

impl Range {
    fn contains(&self, other: &Self) -> bool {
        self.min <= other.min && other.max <= self.max
    }

    pub fn overlaps(&self, min: &str, max: &str) -> bool {
        self.min.as_str() < max && min < self.max.as_str()
    }

    /// The two halves of the range. They need not have the same number of keys.
    pub fn halves(&self) -> [(String, String); 2] {
        let number = |bound: &str| u128::from_str_radix(&format!("{bound:0<24}")[..24], 16).unwrap_or_default();
        let middle = format!("{:024X}", (number(&self.min) + number(&self.max)) / 2);
        [(self.min.clone(), middle.clone()), (middle, self.max.clone())]
    }
}

/// The ranges of an answer, without those that are parents of others, in the order of their keys.
pub fn ranges_of(body: &Value) -> Vec<Range> {
    let list = body["PartitionKeyRanges"].as_array().cloned().unwrap_or_default();
    let is_gone =
        |id: &Value| list.iter().any(|range| range["parents"].as_array().is_some_and(|parents| parents.contains(id)));
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut ranges: Vec<Range> = list
        .iter()
        .filter(|range| !is_gone(&range["id"]))
        .map(|range| Range {
            id: text(&range["id"]),
            min: text(&range["minInclusive"]),
            max: text(&range["maxExclusive"]),
        })
        .collect();
    ranges.sort_by(|one, other| one.min.cmp(&other.min));
    ranges
}

/// What identifies an etag or a continuation besides the range.
pub type Key = (String, Option<String>);

/// See the module. Containers are named by their path, `/dbs/{database}/colls/{container}`.
#[derive(Default)]
pub struct ClientState {
    rids: HashMap<String, String>,
    ranges: HashMap<String, Vec<Range>>,
    /// The ids of all ranges that were seen of a container, in the order in which they were seen.
    seen_ranges: HashMap<String, Vec<String>>,
    /// Of documents, containers, lists of ranges and offers by path; of feeds by container, mode and range or key.
    pub etags: HashMap<Key, String>,
    sessions: HashMap<(String, String), String>,
    pub continuations: HashMap<Key, String>,
    pub offer_rid: String,
    pub document_rid: String,
}

impl ClientState {
    pub fn rid(&self, container: &str) -> Option<&str> {
        self.rids.get(container).map(String::as_str)
    }

    /// Remembers a container's resource id. What was known about another container of that name is forgotten.
    pub fn set_rid(&mut self, container: &str, rid: &str) {
        let old = self.rids.insert(container.to_owned(), rid.to_owned());
        if old.is_some_and(|old| old != rid) {
            self.forget_ranges(container);
        }
    }

    /// Forgets the ranges and session tokens of a container, as a new client does not know them.
    pub fn forget_ranges(&mut self, container: &str) {
        self.ranges.remove(container);
        self.sessions.retain(|(of, _), _| of != container);
    }

    pub fn ranges(&self, container: &str) -> Option<&[Range]> {
        self.ranges.get(container).map(Vec::as_slice)
    }

    /// The id of the nth range that was seen of a container.
    pub fn nth_range(&self, container: &str, index: usize) -> Option<&str> {
        self.seen_ranges.get(container)?.get(index).map(String::as_str)
    }

    /// Remembers the ranges of a container. A range takes over the etags and the session token of the range that it was part of.
    pub fn set_ranges(&mut self, container: &str, ranges: Vec<Range>) {
        let old = self.ranges.insert(container.to_owned(), ranges.clone()).unwrap_or_default();
        let seen = self.seen_ranges.entry(container.to_owned()).or_default();
        for range in &ranges {
            if !seen.contains(&range.id) {
                seen.push(range.id.clone());
            }
            let Some(parent) = old.iter().find(|old| old.id != range.id && old.contains(range)) else { continue };
            let inherited: Vec<(Key, String)> = self
                .etags
                .iter()
                .filter(|((of, id), _)| of.starts_with(&format!("{container} ")) && id.as_deref() == Some(&parent.id))
                .map(|((of, _), etag)| ((of.clone(), Some(range.id.clone())), etag.clone()))
                .collect();
            for (key, etag) in inherited {
                self.etags.entry(key).or_insert(etag);
            }
            if let Some(token) = self.sessions.get(&(container.to_owned(), parent.id.clone())).cloned() {
                self.sessions.entry((container.to_owned(), range.id.clone())).or_insert(token);
            }
        }
    }

    /// Remembers the session token of an answer.
    pub fn set_session(&mut self, container: &str, token: &str) {
        for part in token.split(',') {
            if let Some((range, token)) = part.split_once(':') {
                self.sessions.insert((container.to_owned(), range.to_owned()), token.to_owned());
            }
        }
    }

    /// The session token for a request to a range, or to any range of the container.
    pub fn session(&self, container: &str, range: Option<&str>) -> Option<String> {
        let mut tokens: Vec<String> = self
            .sessions
            .iter()
            .filter(|((of, id), _)| of == container && range.is_none_or(|range| range == id))
            .map(|((_, id), token)| format!("{id}:{token}"))
            .collect();
        tokens.sort_unstable();
        (!tokens.is_empty()).then(|| tokens.join(","))
    }
}

/// A session token that no range has reached yet.
pub fn future(token: &str) -> String {
    let later = |part: &str| {
        let mut fields: Vec<String> = part.split('#').map(str::to_owned).collect();
        if let Some(lsn) = fields.get_mut(1) {
            *lsn = (lsn.parse::<u64>().unwrap_or_default() + 1_000_000).to_string();
        }
        fields.join("#")
    };
    token.split(',').map(later).collect::<Vec<_>>().join(",")
}
