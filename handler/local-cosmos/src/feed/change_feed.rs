//! `GET …/docs` with an `A-IM` header: a page of the change feed, from the log.
//!
//! `Incremental Feed` is LatestVersion mode. `Full-Fidelity Feed` is AllVersionsAndDeletes mode, which starts only from now or
//! from an etag. The service answers 400 if the etag is older than the retention window. Source: Microsoft's reference of
//! `ChangeFeedMode.AllVersionsAndDeletes` and `ChangeFeedPolicy`.
//!
//! The service's etag is the sequence number of the last change in its physical partition, so a client can ask for the changes
//! after a number that it knows. Etags of this endpoint are positions across the container. In AllVersionsAndDeletes mode they
//! are marked, `"log-57"`, and a bare number is a sequence number.

use chrono::DateTime;

use super::envelope;
use crate::charges;
use crate::container::Container;
use crate::incoming::Incoming;
use crate::items::{Position, charge};
use crate::limits::{DEFAULT_CHANGE_FEED_ITEMS, MAX_PAGE_BYTES, MAX_PAGE_ITEMS};
use crate::partition_key::KeyRange;
use crate::reply::{Reply, header};
use crate::requested_range::requested_range;
use crate::store::{Contents, PageLimit, Partition, Start};

/// Bytes of a page that are reserved for the JSON around the items.
const ENVELOPE_BYTES: usize = 64 * 1024;

/// The start of the etag of a page of AllVersionsAndDeletes mode, before the position in the log.
const POSITION_MARK: &str = "log-";

/// A page that was read.
struct Found {
    entries: usize,
    etag: String,
    body: Vec<u8>,
}

/// Where a page of AllVersionsAndDeletes mode starts.
enum VersionStart {
    Now,
    /// After the version of this number in the log.
    AfterNumber(u64),
    /// After the change of this sequence number.
    AfterLsn(u64),
}

/// Answers a request for a page.
pub(crate) fn read(container: &Container, incoming: &Incoming) -> Reply {
    let contents = container.store().read();
    let range = match requested_range(container, &contents, incoming) {
        Ok(range) => range,
        Err(reply) => return reply,
    };
    let overlapping: Vec<&Partition> = contents.overlapping(&range).map(|(_, partition)| partition).collect();
    if let [partition] = overlapping.as_slice()
        && let Some(refusal) = container.session_refusal(&contents, partition, incoming)
    {
        return refusal;
    }
    let found = if is_full_fidelity(incoming) {
        version_start(incoming, overlapping.len())
            .and_then(|start| all_versions(container, &contents, &range, &start, incoming))
    } else {
        requested_start(incoming).map(|start| latest_versions(container, &contents, &range, start, incoming))
    };
    let found = match found {
        Ok(found) => found,
        Err(reply) => return reply,
    };

    let units = charges::change_feed(found.entries, found.body.len());
    let mut reply = container
        .reply(if found.entries == 0 { 304 } else { 200 })
        .with(header::ETAG, &found.etag)
        .with(header::ITEM_COUNT, found.entries.to_string())
        .with(header::REQUEST_CHARGE, charge(units));
    if let [partition] = overlapping.as_slice() {
        reply = Position::of(partition).add_to(reply);
    }
    reply.body = found.body;
    reply
}

fn is_full_fidelity(incoming: &Incoming) -> bool {
    incoming.header("a-im").is_some_and(|mode| mode.eq_ignore_ascii_case("Full-Fidelity Feed"))
}

fn latest_versions(
    container: &Container,
    contents: &Contents,
    range: &KeyRange,
    start: Start,
    incoming: &Incoming,
) -> Found {
    let page = contents.log().page(range, start, limit(incoming));
    let enveloped = incoming.header("x-ms-cosmos-changefeed-wire-format-version").is_some();
    let body = match page.entries.as_slice() {
        [] => Vec::new(),
        entries => envelope::latest_versions(&container.rid.to_string(), entries, enveloped),
    };
    Found { entries: page.entries.len(), etag: format!("\"{}\"", page.next), body }
}

fn all_versions(
    container: &Container,
    contents: &Contents,
    range: &KeyRange,
    start: &VersionStart,
    incoming: &Incoming,
) -> Result<Found, Reply> {
    let versions = contents.log().versions();
    let after = match start {
        VersionStart::Now => Ok(versions.last()),
        VersionStart::AfterNumber(number) => Ok(*number),
        VersionStart::AfterLsn(lsn) => versions.number_of_lsn(range, *lsn),
    };
    let Ok(page) = after.and_then(|after| versions.page(range, after, limit(incoming))) else {
        return Err(bad_request(
            "The continuation is older than the retention window of AllVersionsAndDeletes mode.".into(),
        ));
    };
    let body = match page.entries.as_slice() {
        [] => Vec::new(),
        versions => envelope::all_versions(&container.rid.to_string(), versions, &container.key().paths),
    };
    Ok(Found { entries: page.entries.len(), etag: format!("\"{POSITION_MARK}{}\"", page.next), body })
}

/// Where a page of AllVersionsAndDeletes mode starts; `partitions` is the number of physical partitions that are read.
fn version_start(incoming: &Incoming, partitions: usize) -> Result<VersionStart, Reply> {
    let not_from = |what: &str| {
        let message =
            format!("AllVersionsAndDeletes mode cannot start from {what}; start from now or from a continuation.");
        Err(bad_request(message))
    };
    if incoming.header("if-modified-since").is_some() {
        return not_from("a time");
    }
    let Some(etag) = requested_etag(incoming) else { return not_from("the beginning") };
    if etag == "*" {
        return Ok(VersionStart::Now);
    }
    let position = etag.trim_matches('"');
    let (is_lsn, number) = position.strip_prefix(POSITION_MARK).map_or((true, position), |number| (false, number));
    let number = number.parse().map_err(|_| invalid_etag(etag))?;
    match is_lsn {
        false => Ok(VersionStart::AfterNumber(number)),
        true if partitions == 1 => Ok(VersionStart::AfterLsn(number)),
        true => not_from("a sequence number of several physical partitions"),
    }
}

fn bad_request(message: String) -> Reply {
    Reply::error(400, "BadRequest", message)
}

fn requested_etag(incoming: &Incoming) -> Option<&str> {
    incoming.header("if-none-match").or_else(|| incoming.header(header::CONTINUATION))
}

fn invalid_etag(etag: &str) -> Reply {
    bad_request(format!("If-None-Match is {etag}; it must be * or an etag of this change feed."))
}

fn limit(incoming: &Incoming) -> PageLimit {
    let asked: Option<usize> = incoming.header("x-ms-max-item-count").and_then(|count| count.trim().parse().ok());
    let items = asked.filter(|count| *count > 0).unwrap_or(DEFAULT_CHANGE_FEED_ITEMS).min(MAX_PAGE_ITEMS);
    PageLimit { items, bytes: MAX_PAGE_BYTES - ENVELOPE_BYTES }
}

fn requested_start(incoming: &Incoming) -> Result<Start, Reply> {
    if let Some(etag) = requested_etag(incoming) {
        if etag == "*" {
            return Ok(Start::Now);
        }
        let number = etag.trim_matches('"').parse().map_err(|_| invalid_etag(etag))?;
        return Ok(Start::AfterEntry(number));
    }
    let Some(time) = incoming.header("if-modified-since") else { return Ok(Start::Beginning) };
    let parsed = DateTime::parse_from_rfc2822(time).or_else(|_| DateTime::parse_from_rfc3339(time));
    let parsed = parsed.map_err(|_| bad_request(format!("If-Modified-Since is {time}; it must be an HTTP date.")))?;
    Ok(Start::AfterTime(parsed.timestamp()))
}
