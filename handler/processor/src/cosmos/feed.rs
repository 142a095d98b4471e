//! Reads one page of the change feed of one range, from a position that outlives the process.
//!
//! The SDK's own continuation tokens wrap the service's: `c1.` and base64url JSON that names, for each range, its bounds
//! and the etag that the service sent. Leases hold that etag alone, as .NET processors write it, so it is taken out of
//! the token after a page and put back into one before the next.

use std::num::NonZeroU32;
use std::sync::Arc;

use azure_data_cosmos::FeedScope;
use azure_data_cosmos::feed::{ContinuationToken, FeedRange as SdkFeedRange};
use azure_data_cosmos::models::{ChangeFeedItem, ChangeFeedOperationType};
use azure_data_cosmos::options::{ChangeFeedMode as SdkMode, ChangeFeedOptions, ChangeFeedStartFrom, MaxItemCountHint};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use chrono::{DateTime, Utc};
use futures::StreamExt;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::container::Container;
use super::error::{Error, ErrorKind};
use crate::change::{Change, ChangeMetadata, OperationType};
use crate::lease::FeedRange;
use crate::mode::ChangeFeedMode;

/// Where a page starts.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Position {
    Now,
    Beginning,
    /// After this time.
    Time(DateTime<Utc>),
    /// After the page that this etag came with.
    Continuation(String),
}

/// A page of changes; empty when there is nothing new.
#[derive(Debug)]
pub(crate) struct FeedPage {
    pub changes: Vec<Change>,
    /// What the range consists of now: after a split of several parts, of which one was read.
    pub parts: Vec<FeedRange>,
    /// The etag to go on from; `None` when the range is in several parts.
    pub continuation: Option<String>,
    pub request_charge: f64,
    pub partition_key_range_id: Option<String>,
    /// The newest sequence number of the physical partition.
    pub session_lsn: Option<i64>,
}

/// A document that can be taken out of the SDK's item without a copy.
struct Shared(Arc<Value>);

impl<'de> Deserialize<'de> for Shared {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Value::deserialize(deserializer).map(|value| Self(Arc::new(value)))
    }
}

impl Container {
    /// The current physical partitions' ranges.
    pub(crate) async fn feed_ranges(&self) -> Result<Vec<FeedRange>, Error> {
        let failed = |error| Error::from_sdk(format!("reading the feed ranges of {}", self.name), error);
        let ranges = self.client.read_feed_ranges(None).await.map_err(failed)?;
        let bounds = |range: &SdkFeedRange| FeedRange {
            min: range.min_inclusive().to_hex(),
            max: range.max_exclusive().to_hex(),
        };
        Ok(ranges.iter().map(bounds).collect())
    }

    /// Reads up to `max_items` changes of `range` (100 by the service's default; the items of one transaction stay
    /// together) after `position`.
    pub(crate) async fn read_feed(
        &self,
        range: &FeedRange,
        position: &Position,
        mode: ChangeFeedMode,
        max_items: Option<NonZeroU32>,
    ) -> Result<FeedPage, Error> {
        let failed = |error| Error::from_sdk(format!("reading the change feed of {}", self.name), error);
        let mut options = ChangeFeedOptions::default().with_mode(match mode {
            ChangeFeedMode::LatestVersion => SdkMode::LatestVersion,
            ChangeFeedMode::AllVersionsAndDeletes => SdkMode::AllVersionsAndDeletes,
        });
        if let Some(max_items) = max_items {
            options = options.with_max_item_count(MaxItemCountHint::Limit(max_items));
        }
        let start = match position {
            Position::Now => ChangeFeedStartFrom::Now,
            Position::Beginning => ChangeFeedStartFrom::Beginning,
            Position::Time(time) => ChangeFeedStartFrom::PointInTime(
                azure_core::time::OffsetDateTime::from_unix_timestamp(time.timestamp())
                    .map_err(|error| Error::new(ErrorKind::Invalid, "starting the change feed", error.to_string()))?,
            ),
            Position::Continuation(etag) => {
                options = options.with_continuation_token(self.token(range, etag, mode));
                ChangeFeedStartFrom::Beginning
            }
        };
        let scope = FeedScope::range(sdk_range(range)?);
        let mut pages = self.client.query_change_feed::<Shared>(scope, start, Some(options)).await.map_err(failed)?;
        let page = match pages.next().await {
            Some(page) => page.map_err(failed)?,
            None => return Err(Error::new(ErrorKind::Unavailable, "reading the change feed", "it ended")),
        };
        let headers = page.headers();
        let request_charge = headers.request_charge().map_or(0.0, |charge| charge.value());
        let partition_key_range_id = headers.partition_key_range_id().map(str::to_owned);
        let session_lsn = headers.session_token().and_then(|token| session_lsn(token.as_str()));
        let (parts, continuation) = parts(range, &pages.to_continuation_token().map_err(failed)?)?;
        Ok(FeedPage {
            changes: page.into_items().into_iter().map(change).collect(),
            parts,
            continuation,
            request_charge,
            partition_key_range_id,
            session_lsn,
        })
    }

    fn token(&self, range: &FeedRange, etag: &str, mode: ChangeFeedMode) -> ContinuationToken {
        let mut token = json!({"op": "ChangeFeed", "rid": self.rid, "root": {"kind": "unordered_merge", "active_tokens": [
            {"min_epk": range.min, "max_epk": range.max, "server_continuation": etag}]}});
        if mode == ChangeFeedMode::AllVersionsAndDeletes {
            token["cfm"] = Value::Bool(true);
        }
        ContinuationToken::from_string(format!("c1.{}", URL_SAFE_NO_PAD.encode(token.to_string())))
    }
}

/// The global sequence number in a session token, `<range id>:<version>#<number>#<region>=<number>…`; in the older form
/// `<range id>:<number>`.
fn session_lsn(token: &str) -> Option<i64> {
    let (_, numbers) = token.split(',').next()?.split_once(':')?;
    let mut numbers = numbers.split('#');
    let first = numbers.next()?;
    numbers.next().unwrap_or(first).parse().ok()
}

fn sdk_range(range: &FeedRange) -> Result<SdkFeedRange, Error> {
    #[derive(Serialize)]
    struct Bounds<'a> {
        #[serde(rename = "Range")]
        range: Inner<'a>,
    }
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Inner<'a> {
        min: &'a str,
        max: &'a str,
        is_min_inclusive: bool,
        is_max_inclusive: bool,
    }
    let bounds =
        Bounds { range: Inner { min: &range.min, max: &range.max, is_min_inclusive: true, is_max_inclusive: false } };
    let text = serde_json::to_string(&bounds)
        .map_err(|error| Error::new(ErrorKind::Invalid, "naming a feed range", error.to_string()))?;
    STANDARD
        .encode(text)
        .parse()
        .map_err(|error| Error::from_sdk(format!("reading the feed range {}", range.token()), error))
}

/// The parts of `range`, and where it goes on if it is whole. The SDK's token leaves out what it has not begun to read.
fn parts(range: &FeedRange, token: &ContinuationToken) -> Result<(Vec<FeedRange>, Option<String>), Error> {
    #[derive(Deserialize)]
    struct Token {
        root: Root,
    }
    #[derive(Deserialize)]
    struct Root {
        #[serde(default)]
        active_tokens: Vec<ActiveToken>,
    }
    #[derive(Deserialize)]
    struct ActiveToken {
        min_epk: String,
        max_epk: String,
        server_continuation: String,
    }
    let unreadable = |message: String| Error::new(ErrorKind::Invalid, "reading the SDK's continuation token", message);
    let encoded = token.as_str().strip_prefix("c1.").ok_or_else(|| unreadable("it is not of version 1".into()))?;
    let json = URL_SAFE_NO_PAD.decode(encoded).map_err(|error| unreadable(error.to_string()))?;
    let Token { root: Root { mut active_tokens } } =
        serde_json::from_slice(&json).map_err(|error| unreadable(error.to_string()))?;
    active_tokens.sort_by(|left, right| left.min_epk.cmp(&right.min_epk));
    let mut parts = Vec::new();
    let mut covered = range.min.clone();
    let mut last = None;
    for token in active_tokens {
        if covered < token.min_epk {
            parts.push(FeedRange { min: covered, max: token.min_epk.clone() });
        }
        covered = token.max_epk.clone();
        parts.push(FeedRange { min: token.min_epk, max: token.max_epk });
        last = Some(token.server_continuation);
    }
    if covered < range.max {
        parts.push(FeedRange { min: covered, max: range.max.clone() });
    }
    let continuation = last.ok_or_else(|| unreadable("it tells of no range".into()))?;
    let is_whole = parts.len() == 1;
    Ok((parts, is_whole.then_some(continuation)))
}

fn change(item: ChangeFeedItem<Shared>) -> Change {
    let metadata = item.metadata().map(|metadata| ChangeMetadata {
        crts: metadata.conflict_resolution_timestamp().map(|crts| crts.as_secs_f64()),
        lsn: metadata.lsn().map(|lsn| lsn.value()),
        operation_type: item.operation_type().and_then(|operation| match operation {
            ChangeFeedOperationType::Create => Some(OperationType::Create),
            ChangeFeedOperationType::Replace => Some(OperationType::Replace),
            ChangeFeedOperationType::Delete => Some(OperationType::Delete),
            _ => None,
        }),
        previous_image_lsn: metadata.previous_image_lsn().map(|lsn| lsn.value()),
        time_to_live_expired: metadata.time_to_live_expired(),
        id: metadata.id().map(str::to_owned),
        partition_key: metadata.partition_key().cloned(),
    });
    let current = item.current().map(|document| document.0.clone());
    let previous = item.previous().map(|document| document.0.clone());
    drop(item);
    Change { current: current.map(Arc::unwrap_or_clone), metadata, previous: previous.map(Arc::unwrap_or_clone) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_sdk_has_not_begun_to_read_is_a_part_of_its_own() {
        let token = |tokens: Value| {
            let token = json!({"root": {"kind": "unordered_merge", "active_tokens": tokens}}).to_string();
            ContinuationToken::from_string(format!("c1.{}", URL_SAFE_NO_PAD.encode(token)))
        };
        let range = FeedRange { min: String::new(), max: "40".into() };
        let read_parts = |tokens| {
            let (parts, continuation) = parts(&range, &token(tokens)).expect("parts");
            (parts.iter().map(FeedRange::token).collect::<Vec<_>>().join(" "), continuation)
        };
        let read = |min: &str, max: &str| json!({"min_epk": min, "max_epk": max, "server_continuation": "1"});
        assert_eq!(read_parts(json!([read("", "40")])), ("-40".to_owned(), Some("1".to_owned())));
        assert_eq!(read_parts(json!([read("", "20")])), ("-20 20-40".to_owned(), None));
        assert_eq!(read_parts(json!([read("30", "40"), read("10", "20")])), ("-10 10-20 20-30 30-40".to_owned(), None));
        assert!(parts(&range, &token(json!([]))).is_err());
    }

    #[test]
    fn the_sequence_number_is_read_out_of_a_session_token() {
        assert_eq!(session_lsn("0:-1#42"), Some(42));
        assert_eq!(session_lsn("3:1#1234#1=1200#2=1100"), Some(1234));
        assert_eq!(session_lsn("0:77"), Some(77));
        assert_eq!(session_lsn("nonsense"), None);
    }
}
