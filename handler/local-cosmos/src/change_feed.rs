//! `GET …/docs` with an `A-IM` header: a page of the change feed, from the log.
//!
//! `Incremental Feed` is LatestVersion mode. `Full-Fidelity Feed` is AllVersionsAndDeletes mode, which starts only from now or
//! from an etag. The service answers 400 if the etag is older than the retention window. Source: Microsoft's reference of
//! `ChangeFeedMode.AllVersionsAndDeletes` and `ChangeFeedPolicy`.

use chrono::DateTime;

use crate::change_log::Start;
use crate::container::{Container, Definition};
use crate::emulator::Emulator;
use crate::entry::KeyRange;
use crate::envelope;
use crate::incoming::Incoming;
use crate::limits::{DEFAULT_CHANGE_FEED_ITEMS, MAX_PAGE_BYTES, MAX_PAGE_ITEMS};
use crate::operation::ContainerName;
use crate::page::PageLimit;
use crate::partitions::{PartitionKeyRange, gone, in_transition};
use crate::reply::{Reply, header};

/// Bytes of a page that are reserved for the JSON around the items.
const ENVELOPE_BYTES: usize = 64 * 1024;

/// A page that was read.
struct Found {
    entries: usize,
    next: u64,
    body: Vec<u8>,
}

/// Answers a request for a page.
pub(crate) async fn read(
    emulator: &Emulator,
    name: &ContainerName,
    container: &Container,
    incoming: &Incoming,
) -> Reply {
    let _topology = container.topology.read().await;
    let partitions = container.partitions(emulator, name).await;
    let definition = container.definition();
    let range = match requested_range(&definition, &partitions, incoming) {
        Ok(range) => range,
        Err(reply) => return reply,
    };
    let overlapping: Vec<_> = partitions.iter().filter(|partition| partition.range().overlaps(&range)).collect();
    if overlapping.iter().any(|partition| container.is_in_transition(&partition.id)) {
        return in_transition();
    }
    let found = requested_start(incoming).and_then(|start| {
        if is_full_fidelity(incoming) {
            all_versions(container, &definition, &range, start, incoming)
        } else {
            Ok(latest_versions(container, &definition, &range, start, incoming))
        }
    });
    let found = match found {
        Ok(found) => found,
        Err(reply) => return reply,
    };

    let mut reply = Reply::new(if found.entries == 0 { 304 } else { 200 })
        .with(header::ETAG, format!("\"{}\"", found.next))
        .with(header::ITEM_COUNT, found.entries.to_string())
        // About what the service charges: 2 a call and 1 a document.
        .with(header::REQUEST_CHARGE, format!("{}", 2 + found.entries));
    if let [partition] = overlapping.as_slice() {
        reply = reply.with(header::PARTITION_KEY_RANGE_ID, &partition.id);
        if let Some(token) = container.session_token(emulator, name, &partition.id).await {
            reply = reply.with(header::SESSION_TOKEN, token);
        }
    }
    reply.body = found.body;
    reply
}

fn is_full_fidelity(incoming: &Incoming) -> bool {
    incoming.header("a-im").is_some_and(|mode| mode.eq_ignore_ascii_case("Full-Fidelity Feed"))
}

fn latest_versions(
    container: &Container,
    definition: &Definition,
    range: &KeyRange,
    start: Start,
    incoming: &Incoming,
) -> Found {
    let page = container.log().page(range, start, limit(incoming));
    let enveloped = incoming.header("x-ms-cosmos-changefeed-wire-format-version").is_some();
    let body = match page.entries.as_slice() {
        [] => Vec::new(),
        entries => envelope::latest_versions(&definition.rid, entries, enveloped),
    };
    Found { entries: page.entries.len(), next: page.next, body }
}

fn all_versions(
    container: &Container,
    definition: &Definition,
    range: &KeyRange,
    start: Start,
    incoming: &Incoming,
) -> Result<Found, Reply> {
    let refused = |message: String| Err(Reply::error(400, "BadRequest", message));
    let not_from = |what: &str| {
        refused(format!("AllVersionsAndDeletes mode cannot start from {what}; start from now or from a continuation."))
    };
    let page = {
        let log = container.log();
        let after = match start {
            _ if incoming.header("if-modified-since").is_some() => return not_from("a time"),
            Start::Beginning | Start::AfterTime(_) => return not_from("the beginning"),
            Start::Now => log.versions().last(),
            Start::AfterEntry(number) => number,
        };
        log.versions().page(range, after, limit(incoming))
    };
    let Ok(page) = page else {
        return refused("The continuation is older than the retention window of AllVersionsAndDeletes mode.".into());
    };
    let paths: Vec<String> = definition.partition_key.paths().iter().map(|path| path.to_string()).collect();
    let body = match page.entries.as_slice() {
        [] => Vec::new(),
        versions => envelope::all_versions(&definition.rid, versions, &paths),
    };
    Ok(Found { entries: page.entries.len(), next: page.next, body })
}

fn limit(incoming: &Incoming) -> PageLimit {
    let asked: Option<usize> = incoming.header("x-ms-max-item-count").and_then(|count| count.trim().parse().ok());
    let items = asked.filter(|count| *count > 0).unwrap_or(DEFAULT_CHANGE_FEED_ITEMS).min(MAX_PAGE_ITEMS);
    PageLimit { items, bytes: MAX_PAGE_BYTES - ENVELOPE_BYTES }
}

fn requested_range(
    definition: &Definition,
    partitions: &[PartitionKeyRange],
    incoming: &Incoming,
) -> Result<KeyRange, Reply> {
    let bad = |message: String| Reply::error(400, "BadRequest", message);
    let mut range = match incoming.header(header::PARTITION_KEY_RANGE_ID) {
        Some(id) => {
            let partition = partitions.iter().find(|partition| partition.id == id);
            partition.map(PartitionKeyRange::range).ok_or_else(|| gone(id))?
        }
        None => KeyRange::all(),
    };
    if let Some(key) = incoming.header(header::PARTITION_KEY).filter(|key| *key != "[]") {
        range = definition.key_range(key).map_err(bad)?;
    }
    if let Some(min) = incoming.header("x-ms-start-epk") {
        range.min = range.min.max(min.to_uppercase());
    }
    if let Some(max) = incoming.header("x-ms-end-epk") {
        range.max = range.max.min(max.to_uppercase());
    }
    Ok(range)
}

fn requested_start(incoming: &Incoming) -> Result<Start, Reply> {
    if let Some(etag) = incoming.header("if-none-match").or_else(|| incoming.header(header::CONTINUATION)) {
        if etag == "*" {
            return Ok(Start::Now);
        }
        let number = etag.trim_matches('"').parse().map_err(|_| {
            Reply::error(
                400,
                "BadRequest",
                format!("If-None-Match is {etag}; it must be * or an etag of this change feed."),
            )
        })?;
        return Ok(Start::AfterEntry(number));
    }
    let Some(time) = incoming.header("if-modified-since") else { return Ok(Start::Beginning) };
    let parsed = DateTime::parse_from_rfc2822(time).or_else(|_| DateTime::parse_from_rfc3339(time));
    let parsed = parsed.map_err(|_| {
        Reply::error(400, "BadRequest", format!("If-Modified-Since is {time}; it must be an HTTP date."))
    })?;
    Ok(Start::AfterTime(parsed.timestamp()))
}
