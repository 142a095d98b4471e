//! Fills the placeholders of a recorded request.

use super::client_state::{ClientState, Range, future};
use super::recording::Line;
use crate::wire::Headers;

pub const RANGE: &str = "x-ms-documentdb-partitionkeyrangeid";
pub const KEY: &str = "x-ms-documentdb-partitionkey";
const SESSION: &str = "x-ms-session-token";
const START_EPK: &str = "x-ms-start-epk";
const END_EPK: &str = "x-ms-end-epk";
const GUID: &str = "5f1f2f4e-5d0c-4b8e-9a53-0c6f2f0a7b11";
const TIME: &str = "2024-02-03T04:05:06.0000000Z";

/// What one of the requests that a line stands for is about.
#[derive(Clone, Debug, Default)]
pub struct Target {
    /// The range that it is sent to.
    pub range: Option<Range>,
    /// The part of the range that is read.
    pub part: Option<(String, String)>,
    /// The recorded number of the range whose lease it is about, where the line stands for several leases.
    pub lease: Option<usize>,
}

/// A request that can be sent.
#[derive(Clone, Debug)]
pub struct Request {
    pub method: String,
    pub path: String,
    pub headers: Headers,
    pub body: String,
    /// What its etag is remembered under.
    pub etag_key: (String, Option<String>),
    /// What its continuation is remembered under.
    pub continuation_key: (String, Option<String>),
}

impl Request {
    pub fn set_header(&mut self, name: &str, value: &str) {
        self.headers.retain(|(header, _)| header != name);
        self.headers.push((name.to_owned(), value.to_owned()));
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(header, _)| header == name).map(|(_, value)| value.as_str())
    }
}

/// The resource ids that a line names: of its database, and of the containers that its placeholders name.
pub struct Rids {
    pub database: String,
    /// The container that the line is about, and its resource id.
    pub container: (String, String),
    pub lease_container: String,
}

/// Fills a line. The error says what is not known.
pub fn fill(
    line: &Line,
    target: &Target,
    container: &str,
    rids: &Rids,
    state: &ClientState,
) -> Result<Request, String> {
    let range = target.range.as_ref();
    let simple = |text: &str| -> Result<String, String> {
        let mut text = text
            .replace("{guid}", GUID)
            .replace("{time}", TIME)
            .replace("{dbRid}", &rids.database)
            .replace("{leaseCollRid}", &rids.lease_container)
            .replace("{offerRid}", &state.offer_rid)
            .replace("{docRid}", &state.document_rid);
        for name in ["{collRid}", "{collRid2}", "{collRid3}"] {
            text = text.replace(name, &rids.container.1);
        }
        with_lease(&text, target.lease, &rids.container.0, state)
    };
    let path = simple(&line.path)?;
    let range_id = range.map(|range| range.id.clone());
    let etag_key = etag_key(line, &path, container, &simple(&line.body)?, target);
    let continuation_key = (format!("{} {path} {}", line.method, line.body), range_id.clone());
    let etag = || state.etags.get(&etag_key).ok_or_else(|| "no etag was given in an earlier answer".to_owned());

    let mut body = simple(&line.body)?;
    if body.contains("{etag}") {
        let escaped = serde_json::json!(etag()?).to_string();
        body = body.replace("{etag}", escaped.trim_start_matches('"').strip_suffix('"').unwrap_or_default());
    }
    let mut headers = Headers::new();
    for (name, template) in &line.headers {
        let value = match name.as_str() {
            SESSION if template.contains("{session}") => match state.session(container, range_id.as_deref()) {
                Some(token) if line.sub_status == 1002 && line.status == 404 => future(&token),
                Some(token) => token,
                None => continue,
            },
            RANGE => template.replace("{rangeId}", range_id.as_deref().ok_or("no range is known")?),
            "x-ms-continuation" => state
                .continuations
                .get(&continuation_key)
                .ok_or("no continuation was given in an earlier answer")?
                .clone(),
            START_EPK | END_EPK => match &target.part {
                Some((start, end)) => if name == START_EPK { start } else { end }.clone(),
                None => template.clone(),
            },
            _ => simple(template)?,
        };
        let value = if value.contains("{etag}") { value.replace("{etag}", etag()?) } else { value };
        headers.push((name.clone(), value));
    }
    let request = Request { method: line.method.clone(), path, headers, body, etag_key, continuation_key };
    let mut texts = request.headers.iter().map(|(_, value)| value).chain([&request.path, &request.body]);
    let left = texts.find_map(|text| placeholder(text)).map(str::to_owned);
    drop(texts);
    match left {
        Some(name) => Err(format!("no value for the placeholder {name}")),
        None => Ok(request),
    }
}

/// A placeholder that is left: letters and digits in braces.
fn placeholder(text: &str) -> Option<&str> {
    text.match_indices('{').find_map(|(start, _)| {
        let end = start + text[start..].find('}')?;
        let name = &text[start + 1..end];
        let is_one = name.starts_with(|first: char| first.is_ascii_lowercase())
            && name.chars().all(|character| character.is_ascii_alphanumeric());
        is_one.then(|| &text[start..=end])
    })
}

/// A document that is created is known by its path from then on.
fn etag_key(line: &Line, path: &str, container: &str, body: &str, target: &Target) -> (String, Option<String>) {
    if line.is_feed() {
        let mode = line.header("a-im").unwrap_or_default();
        let key = line.header(KEY).unwrap_or_default();
        let part = target.part.as_ref().map(|(start, _)| start.as_str()).unwrap_or_default();
        return (format!("{container} feed {mode} {key} {part}"), target.range.as_ref().map(|range| range.id.clone()));
    }
    if line.kind == "write" && line.method == "POST" {
        let item: serde_json::Value = serde_json::from_str(body).unwrap_or_default();
        return (format!("{path}/{}", item["id"].as_str().unwrap_or_default()), None);
    }
    (path.to_owned(), None)
}

/// Lease documents are named after ranges: `..3` and `"LeaseToken":"3"`. The recorded numbers are those of the ranges in the order
/// in which a client sees them. A line that stands for several leases is about the lease in `only`.
fn with_lease(text: &str, only: Option<usize>, monitored: &str, state: &ClientState) -> Result<String, String> {
    let mut filled = String::new();
    let mut rest = text;
    let marks = ["..", "\"LeaseToken\":\""];
    while let Some((start, mark)) = marks.iter().filter_map(|mark| Some((rest.find(mark)?, mark))).min() {
        let (before, after) = rest.split_at(start + mark.len());
        filled += before;
        let digits: String = after.chars().take_while(char::is_ascii_digit).collect();
        rest = &after[digits.len()..];
        if let Ok(recorded) = digits.parse::<usize>() {
            let number = only.unwrap_or(recorded);
            filled += state.nth_range(monitored, number).ok_or(format!("{monitored} has no range number {number}"))?;
        }
    }
    Ok(filled + rest)
}
