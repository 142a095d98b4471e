//! The recorded requests: one a line, with the headers that all of a kind have in a file of their own.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::json;

/// A recorded request and what the SDK needs of the answer.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Line {
    /// What the SDK was asked to do.
    pub step: String,
    /// Lines of a kind have the same needs.
    pub kind: String,
    pub method: String,
    /// With placeholders, as are the headers and the body.
    pub path: String,
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    #[serde(default)]
    pub body: String,
    /// What placeholders of resource ids stand for: `container c2`.
    #[serde(default)]
    pub rids: BTreeMap<String, String>,
    /// The file of a binary body.
    pub body_file: Option<String>,
    pub status: u16,
    #[serde(default)]
    pub sub_status: u32,
    /// What the SDK cannot do without, each in words.
    pub must_have: Vec<String>,
    /// Other statuses that are right too.
    #[serde(skip)]
    pub or_status: Vec<u16>,
}

impl Line {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    /// Whether another line is the same request. Its answer may differ, for another range or later.
    pub fn is_same_request(&self, other: &Self) -> bool {
        self.method == other.method
            && self.path == other.path
            && self.headers == other.headers
            && self.body == other.body
    }

    pub fn is_feed(&self) -> bool {
        self.kind.starts_with("feed")
    }
}

/// The lines of a file of recordings.
pub fn lines(file: &str) -> Vec<Line> {
    let text = match file {
        "account-and-containers.jsonl" => include_str!("../recordings/dotnet/account-and-containers.jsonl"),
        "batch.jsonl" => include_str!("../recordings/dotnet/batch.jsonl"),
        "feed-ranges-and-change-feed.jsonl" => include_str!("../recordings/dotnet/feed-ranges-and-change-feed.jsonl"),
        "items.jsonl" => include_str!("../recordings/dotnet/items.jsonl"),
        "processor.jsonl" => include_str!("../recordings/dotnet/processor.jsonl"),
        "queries.jsonl" => include_str!("../recordings/dotnet/queries.jsonl"),
        "session-and-recreate.jsonl" => include_str!("../recordings/dotnet/session-and-recreate.jsonl"),
        other => panic!("unknown recording {other}"),
    };
    let common: BTreeMap<String, BTreeMap<String, String>> =
        serde_json::from_str(include_str!("../recordings/dotnet/common-headers.json")).expect("common headers");
    let mut lines: Vec<Line> = text.lines().map(|line| serde_json::from_str(line).expect("a line")).collect();
    for line in &mut lines {
        for kind in ["every kind", &line.kind] {
            line.headers.extend(common.get(kind).cloned().unwrap_or_default());
        }
        line.body = line.body.replace("{readMany1000}", &read_many());
    }
    lines
}

/// What `ReadManyItemsAsync` of 1,000 ids sends to one of the ranges: the ids of two of the twelve keys.
fn read_many() -> String {
    let ids: Vec<usize> = (0..1_000).filter(|id| [4, 8].contains(&(id % 12))).collect();
    let terms: Vec<String> =
        (0..ids.len()).map(|index| format!("( c.id = @param_id{index} AND c[\"pk\"] = @param_pk{index}0 )")).collect();
    let parameters: Vec<_> = ids
        .iter()
        .enumerate()
        .flat_map(|(index, id)| {
            [
                json!({"name": format!("@param_id{index}"), "value": format!("d{id:03}")}),
                json!({"name": format!("@param_pk{index}0"), "value": format!("p{}", id % 12)}),
            ]
        })
        .collect();
    let query = format!("SELECT * FROM c WHERE ( {} )", terms.join(" OR "));
    json!({"query": query, "parameters": parameters}).to_string()
}

/// A recorded answer that is corrected. The answers were recorded on an endpoint, not on an account.
struct Correction {
    file: &'static str,
    line: usize,
    status: u16,
    or_status: &'static [u16],
    must_have: Option<&'static [&'static str]>,
    /// Why.
    _reason: &'static str,
}

const PLAN: &[&str] = &["queryInfo (object, may be {} for a plain query)", "queryRanges[] (at least one): min, max"];
const PAGE: &[&str] = &[
    "Documents (array)",
    "no x-ms-continuation header on the last page (an empty value is taken for a token: endless loop)",
];

const CORRECTIONS: &[Correction] = &[
    Correction {
        file: "account-and-containers.jsonl",
        line: 29,
        status: 304,
        or_status: &[200],
        must_have: Some(&[]),
        _reason: "If-None-Match with the etag of the container: 304 by the REST reference",
    },
    Correction {
        file: "account-and-containers.jsonl",
        line: 49,
        status: 200,
        or_status: &[],
        must_have: None,
        _reason: "the list of what is not offered is empty",
    },
    Correction {
        file: "account-and-containers.jsonl",
        line: 52,
        status: 200,
        or_status: &[],
        must_have: None,
        _reason: "the list of what is not offered is empty",
    },
    Correction {
        file: "items.jsonl",
        line: 18,
        status: 201,
        or_status: &[400, 501],
        must_have: Some(&[]),
        _reason: "the triggers do not exist, and triggers are not offered",
    },
    Correction {
        file: "queries.jsonl",
        line: 51,
        status: 200,
        or_status: &[],
        must_have: Some(PAGE),
        _reason: "EXISTS is in the query language",
    },
    Correction {
        file: "queries.jsonl",
        line: 52,
        status: 200,
        or_status: &[],
        must_have: Some(PLAN),
        _reason: "text in double quotes is a literal",
    },
    Correction {
        file: "queries.jsonl",
        line: 87,
        status: 200,
        or_status: &[],
        must_have: Some(PLAN),
        _reason: "text in double quotes is a literal",
    },
];

/// The lines of a file with their corrections.
pub fn corrected_lines(file: &str) -> Vec<Line> {
    let mut lines = lines(file);
    for correction in CORRECTIONS.iter().filter(|correction| correction.file == file) {
        let line = &mut lines[correction.line - 1];
        line.status = correction.status;
        line.or_status = correction.or_status.to_vec();
        if let Some(must_have) = correction.must_have {
            line.must_have = must_have.iter().map(|text| (*text).to_owned()).collect();
        }
    }
    lines
}
