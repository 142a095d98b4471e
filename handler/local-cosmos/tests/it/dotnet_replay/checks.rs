//! What the SDK cannot do without, as checks of an answer.

use serde_json::Value;

use crate::wire::Answer;

/// An answer and what it is compared with.
pub struct Seen<'a> {
    pub answer: &'a Answer,
    /// The path of the request.
    pub path: &'a str,
    /// The resource id of the container in the path, if there is one.
    pub container_rid: Option<&'a str>,
}

type Check = fn(&Seen<'_>) -> Result<(), String>;

/// The texts of the recordings. `status` and the sub-status are compared by the replay, and a 304 by its status.
const CHECKS: &[(&str, Check)] = &[
    ("status", |_| Ok(())),
    ("status 304 when If-None-Match is the etag of the last answer", |_| Ok(())),
    ("header x-ms-substatus", |seen| header(seen, "x-ms-substatus")),
    ("header etag", |seen| header(seen, "etag")),
    ("header etag (becomes the next If-None-Match)", |seen| header(seen, "etag")),
    ("header x-ms-item-count", item_count),
    (
        "header x-ms-content-path: rid of the container (or of the document), else the session token of the write is not kept: the next read sends none, or an older one",
        content_path,
    ),
    ("body is a JSON object", |seen| expect(seen.answer.json().is_object(), "a JSON object")),
    ("userConsistencyPolicy (object, may be {})", |seen| {
        expect(seen.answer.json()["userConsistencyPolicy"].is_object(), "userConsistencyPolicy as an object")
    }),
    (
        "queryEngineConfiguration: text of a non-empty JSON object (looked at on the first query only)",
        query_engine_configuration,
    ),
    ("_rid (any text; it is the key of the caches and is used in the pkranges path)", |seen| {
        text(&seen.answer.json(), "_rid")
    }),
    (
        "partitionKey.paths (for writes whose key is taken from the item, CreateContainerIfNotExists, and lease containers)",
        |seen| {
            let paths = seen.answer.json()["partitionKey"]["paths"].as_array().cloned().unwrap_or_default();
            expect(!paths.is_empty() && paths.iter().all(Value::is_string), "partitionKey.paths as texts")
        },
    ),
    ("PartitionKeyRanges[]: id, minInclusive, maxExclusive", |seen| {
        each(seen, "PartitionKeyRanges", &["id", "minInclusive", "maxExclusive"])
    }),
    (
        "ranges that cover \"\"-FF without gap or overlap (a parent may stay in the list if a child names it in parents)",
        |seen| covers_everything(&seen.answer.json()),
    ),
    ("Documents (array)", |seen| expect(seen.answer.json()["Documents"].is_array(), "Documents as an array")),
    (
        "no x-ms-continuation header on the last page (an empty value is taken for a token: endless loop)",
        no_empty_continuation,
    ),
    ("queryInfo (object, may be {} for a plain query)", |seen| {
        expect(seen.answer.json()["queryInfo"].is_object(), "queryInfo as an object")
    }),
    ("queryRanges[] (at least one): min, max", |seen| each(seen, "queryRanges", &["min", "max"])),
    ("Offers[]._self (the SDK reads that address next)", |seen| of_offers(seen, |offer| text(offer, "_self"))),
    ("content.offerThroughput or content.offerAutopilotSettings", |seen| {
        of_offers(seen, |offer| {
            let content = &offer["content"];
            let has_throughput = content["offerThroughput"].is_u64() || content["offerAutopilotSettings"].is_object();
            expect(has_throughput, "content.offerThroughput or content.offerAutopilotSettings")
        })
    }),
];

/// Whether there is a check for a need in these words.
pub fn is_known(need: &str) -> bool {
    CHECKS.iter().any(|(text, _)| *text == need)
}

/// Checks a need. A need in unknown words is an error, so that none is skipped.
pub fn check(need: &str, seen: &Seen<'_>) -> Result<(), String> {
    match CHECKS.iter().find(|(text, _)| *text == need) {
        Some((_, check)) => check(seen),
        None => Err(format!("no check for: {need}")),
    }
}

/// What holds for every answer.
pub fn check_any(seen: &Seen<'_>) -> Result<(), String> {
    no_empty_continuation(seen)?;
    if let Some(token) = seen.answer.header("x-ms-session-token") {
        for part in token.split(',') {
            let is_well_formed = part.split_once(':').is_some_and(|(range, token)| {
                let mut numbers = token.split('#');
                let version = numbers.next().is_some_and(|version| version.parse::<i64>().is_ok());
                let rest: Vec<&str> = numbers.collect();
                !range.is_empty() && version && rest.first().is_some_and(|lsn| lsn.parse::<u64>().is_ok())
            });
            expect(is_well_formed, &format!("x-ms-session-token as range:version#LSN, not {token}"))?;
        }
    }
    if let (Some(path), Some((container, _))) =
        (seen.answer.header("x-ms-alt-content-path"), seen.path.split_once("/docs"))
    {
        let names_container = format!("/{path}/").starts_with(&format!("{container}/"));
        expect(names_container, &format!("x-ms-alt-content-path of {container}, not {path}"))?;
    }
    Ok(())
}

fn expect(holds: bool, wanted: &str) -> Result<(), String> {
    if holds { Ok(()) } else { Err(wanted.to_owned()) }
}

fn header(seen: &Seen<'_>, name: &str) -> Result<(), String> {
    expect(seen.answer.header(name).is_some_and(|value| !value.is_empty()), &format!("header {name}"))
}

fn text(value: &Value, name: &str) -> Result<(), String> {
    expect(value[name].as_str().is_some_and(|text| !text.is_empty()), &format!("{name} as text"))
}

fn item_count(seen: &Seen<'_>) -> Result<(), String> {
    let count = seen.answer.json()["Documents"].as_array().map_or(0, Vec::len).to_string();
    let found = seen.answer.header("x-ms-item-count");
    expect(found == Some(&count), &format!("header x-ms-item-count: {count}, not {found:?}"))
}

fn content_path(seen: &Seen<'_>) -> Result<(), String> {
    let found = seen.answer.header("x-ms-content-path");
    let document = seen.answer.json()["_rid"].as_str().map(str::to_owned);
    let is_right = found.is_some() && (found == seen.container_rid || found == document.as_deref());
    expect(is_right, &format!("header x-ms-content-path: {:?} or {document:?}, not {found:?}", seen.container_rid))
}

fn query_engine_configuration(seen: &Seen<'_>) -> Result<(), String> {
    let found = seen.answer.json()["queryEngineConfiguration"].clone();
    let parsed: Value = found.as_str().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
    let is_right = parsed.as_object().is_some_and(|members| !members.is_empty());
    expect(is_right, &format!("queryEngineConfiguration as text of a non-empty JSON object, not {found}"))
}

fn no_empty_continuation(seen: &Seen<'_>) -> Result<(), String> {
    expect(seen.answer.header("x-ms-continuation") != Some(""), "no x-ms-continuation header in place of an empty one")
}

/// The list of this name has members, and each has these texts.
fn each(seen: &Seen<'_>, list: &str, names: &[&str]) -> Result<(), String> {
    let found = seen.answer.json()[list].as_array().cloned().unwrap_or_default();
    let is_right = !found.is_empty() && found.iter().all(|one| names.iter().all(|name| one[*name].is_string()));
    expect(is_right, &format!("{list}[] with {}", names.join(", ")))
}

/// An offer is the body, or is in a list.
fn of_offers(seen: &Seen<'_>, check: impl Fn(&Value) -> Result<(), String>) -> Result<(), String> {
    let body = seen.answer.json();
    match body["Offers"].as_array() {
        Some(offers) => {
            expect(!offers.is_empty(), "an offer in Offers[]")?;
            offers.iter().try_for_each(check)
        }
        None => check(&body),
    }
}

/// Ranges that are not a parent of another cover the whole key space once.
pub fn covers_everything(body: &Value) -> Result<(), String> {
    let ranges = body["PartitionKeyRanges"].as_array().cloned().unwrap_or_default();
    let is_gone =
        |id: &Value| ranges.iter().any(|range| range["parents"].as_array().is_some_and(|parents| parents.contains(id)));
    let mut bounds: Vec<(&str, &str)> = ranges
        .iter()
        .filter(|range| !is_gone(&range["id"]))
        .map(|range| (range["minInclusive"].as_str().unwrap_or("?"), range["maxExclusive"].as_str().unwrap_or("?")))
        .collect();
    bounds.sort_unstable();
    let starts = bounds.first().is_some_and(|(min, _)| min.is_empty());
    let ends = bounds.last().is_some_and(|(_, max)| *max == "FF");
    let joined = bounds.windows(2).all(|pair| pair[0].1 == pair[1].0);
    expect(starts && ends && joined, &format!("ranges from \"\" to FF without gap or overlap, not {bounds:?}"))
}
