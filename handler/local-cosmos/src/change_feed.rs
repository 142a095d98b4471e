//! `GET …/docs` with `A-IM: Incremental Feed`: a page of the change feed, from the log.

use std::sync::Arc;

use chrono::DateTime;

use crate::change_log::{Entry, KeyRange, Start};
use crate::container::{Container, Definition, PartitionKeyRange};
use crate::emulator::Incoming;
use crate::limits::{DEFAULT_CHANGE_FEED_ITEMS, MAX_PAGE_BYTES, MAX_PAGE_ITEMS};
use crate::reply::{Reply, header};

/// Bytes kept free on a page for what encloses the items.
const ENVELOPE_BYTES: usize = 64 * 1024;

/// Answers a request for a page. `partitions` are the container's physical partitions.
pub(crate) fn read(container: &Container, partitions: &[PartitionKeyRange], incoming: &Incoming) -> Reply {
    let definition = container.definition();
    let range = match requested_range(&definition, partitions, incoming) {
        Ok(range) => range,
        Err(reply) => return reply,
    };
    let start = match requested_start(incoming) {
        Ok(start) => start,
        Err(reply) => return reply,
    };
    let asked: Option<usize> = incoming.header("x-ms-max-item-count").and_then(|count| count.trim().parse().ok());
    let max_items = asked.filter(|count| *count > 0).unwrap_or(DEFAULT_CHANGE_FEED_ITEMS).min(MAX_PAGE_ITEMS);
    let page = container.log().page(&range, start, max_items, MAX_PAGE_BYTES - ENVELOPE_BYTES);

    let status = if page.entries.is_empty() { 304 } else { 200 };
    let mut reply = Reply::new(status)
        .with(header::ETAG, format!("\"{}\"", page.next))
        .with(header::ITEM_COUNT, page.entries.len().to_string())
        // About what the service charges: 2 a call and 1 a document.
        .with(header::REQUEST_CHARGE, format!("{}", 2 + page.entries.len()));
    let mut overlapping = partitions.iter().filter(|partition| partition.range().overlaps(&range));
    if let (Some(partition), None) = (overlapping.next(), overlapping.next()) {
        reply = reply.with(header::PARTITION_KEY_RANGE_ID, &partition.id);
        if let Some(token) = container.session_token(&partition.id) {
            reply = reply.with(header::SESSION_TOKEN, token);
        }
    }
    if !page.entries.is_empty() {
        let enveloped = incoming.header("x-ms-cosmos-changefeed-wire-format-version").is_some();
        reply.body = body(&definition.rid, &page.entries, enveloped);
    }
    reply
}

fn requested_range(
    definition: &Definition,
    partitions: &[PartitionKeyRange],
    incoming: &Incoming,
) -> Result<KeyRange, Reply> {
    let bad = |message: String| Reply::error(400, "BadRequest", message);
    let mut range = match incoming.header(header::PARTITION_KEY_RANGE_ID) {
        Some(id) => {
            partitions.iter().find(|partition| partition.id == id).map(PartitionKeyRange::range).ok_or_else(|| {
                Reply::error(410, "Gone", format!("The partition key range {id} is gone."))
                    .with(header::SUBSTATUS, "1002")
            })?
        }
        None => KeyRange::all(),
    };
    if let Some(key) = incoming.header("x-ms-documentdb-partitionkey").filter(|key| *key != "[]") {
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

fn body(rid: &str, entries: &[Arc<Entry>], enveloped: bool) -> Vec<u8> {
    let mut body = format!("{{\"_rid\":\"{rid}\",\"Documents\":[").into_bytes();
    for (index, entry) in entries.iter().enumerate() {
        if index > 0 {
            body.push(b',');
        }
        if enveloped {
            body.extend_from_slice(b"{\"current\":");
        }
        // The stored object, with the feed's own property put in before its closing brace.
        let open = entry.body.strip_suffix(b"}").unwrap_or(&entry.body);
        body.extend_from_slice(open);
        body.extend_from_slice(format!(",\"_lsn\":{}}}", entry.lsn).as_bytes());
        if enveloped {
            body.extend_from_slice(
                format!(",\"metadata\":{{\"lsn\":{},\"crts\":{}}}}}", entry.lsn, entry.ts).as_bytes(),
            );
        }
    }
    body.extend_from_slice(format!("],\"_count\":{}}}", entries.len()).as_bytes());
    body
}
