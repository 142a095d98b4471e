//! The position of a backup in the change feed: what an incremental backup has read of it, and where the next one starts.
//!
//! The two differ. A document that is written while the backup reads moves to the end of the feed. It may be read again there, in
//! a state that the backup may not contain: of its lines, the filter and the deletions may prefer an earlier one. Therefore the next
//! backup starts before the first page with a change that was made after the reading of its range began.

use changefeed_backup_format::{FeedPosition, FeedRangePosition};
use changefeed_cosmos::{FeedPage, KeyRange};
use serde::{Deserialize, Serialize};

/// The position in each range of the key space.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct FeedCursor {
    resource_id: String,
    ranges: Vec<FeedRangeCursor>,
}

/// The position in a range.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct FeedRangeCursor {
    min: String,
    max: String,
    /// The etag after which this backup continues.
    continuation: String,
    /// The etag after which the next backup starts.
    next_backup: String,
    /// The newest sequence number when the reading of the range began.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    begun_lsn: Option<i64>,
    /// Whether everything was read.
    is_done: bool,
}

impl FeedCursor {
    /// The start of an incremental backup.
    pub(super) fn start(position: &FeedPosition) -> Self {
        let range = |range: &FeedRangePosition| FeedRangeCursor::new(range.clone(), false);
        Self { resource_id: position.resource_id.clone(), ranges: position.ranges.iter().map(range).collect() }
    }

    /// The position of a backup that does not read the feed.
    pub(super) fn unread(position: FeedPosition) -> Self {
        let ranges = position.ranges.into_iter().map(|range| FeedRangeCursor::new(range, true)).collect();
        Self { resource_id: position.resource_id, ranges }
    }

    /// The resource id of the container.
    pub(super) fn resource_id(&self) -> &str {
        &self.resource_id
    }

    /// Whether all ranges were read.
    pub(super) fn is_done(&self) -> bool {
        self.ranges.iter().all(|range| range.is_done)
    }

    /// The first ranges that were not read to their ends.
    pub(super) fn to_read(&self, count: usize) -> Vec<FeedRangeCursor> {
        self.ranges.iter().filter(|range| !range.is_done).take(count).cloned().collect()
    }

    /// Replaces a range by its position after a page, or by its parts.
    pub(super) fn replace(&mut self, range: &FeedRangeCursor, by: Vec<FeedRangeCursor>) {
        if let Some(index) = self.ranges.iter().position(|other| other.min == range.min) {
            self.ranges.splice(index..=index, by);
        }
    }

    /// Where the next incremental backup starts.
    pub(super) fn position(&self) -> FeedPosition {
        let range = |range: &FeedRangeCursor| FeedRangePosition {
            min: range.min.clone(),
            max: range.max.clone(),
            continuation: range.next_backup.clone(),
        };
        FeedPosition { resource_id: self.resource_id.clone(), ranges: self.ranges.iter().map(range).collect() }
    }
}

impl FeedRangeCursor {
    fn new(position: FeedRangePosition, is_done: bool) -> Self {
        let FeedRangePosition { min, max, continuation } = position;
        Self { min, max, next_backup: continuation.clone(), continuation, begun_lsn: None, is_done }
    }

    /// The range of keys.
    pub(super) fn range(&self) -> KeyRange {
        KeyRange { min: self.min.clone(), max: self.max.clone() }
    }

    /// The etag after which the next page starts.
    pub(super) fn continuation(&self) -> &str {
        &self.continuation
    }

    /// The range after a page that was requested with up to `max_items`; its parts, if it was split and the page is not to be used.
    pub(super) fn after(&self, page: &FeedPage, max_items: usize) -> FeedStep {
        let Some(continuation) = &page.continuation else {
            let part = |KeyRange { min, max }: &KeyRange| Self { min: min.clone(), max: max.clone(), ..self.clone() };
            return FeedStep::Split(page.parts.iter().map(part).collect());
        };
        let begun_lsn = self.begun_lsn.or(page.newest_lsn);
        let is_before_start = |lsn: Option<i64>| lsn.zip(begun_lsn).is_some_and(|(lsn, begun)| lsn <= begun);
        let is_contiguous = self.next_backup == self.continuation;
        let advances = is_contiguous && page.items.iter().all(|item| is_before_start(item.lsn));
        // After a page that ends with the newest write, another one would be empty, or have changes that were made since.
        let newest = page.items.iter().filter_map(|item| item.lsn).max();
        let has_newest = newest.zip(page.newest_lsn).is_some_and(|(lsn, newest)| lsn >= newest);
        FeedStep::Read(Self {
            continuation: continuation.clone(),
            next_backup: if advances { continuation.clone() } else { self.next_backup.clone() },
            begun_lsn,
            is_done: page.items.is_empty() || (page.items.len() < max_items && has_newest),
            ..self.clone()
        })
    }
}

/// The outcome of a page of a range.
#[derive(Debug, PartialEq)]
pub(super) enum FeedStep {
    /// It was read; the position after it.
    Read(FeedRangeCursor),
    /// The range was split into these parts, each of which starts at its position.
    Split(Vec<FeedRangeCursor>),
}

#[cfg(test)]
mod tests {
    use super::*;
    use changefeed_cosmos::FeedItem;
    use serde_json::json;

    fn cursor() -> FeedCursor {
        let range = |min: &str, max: &str| FeedRangePosition {
            min: min.into(),
            max: max.into(),
            continuation: "\"10\"".into(),
        };
        FeedCursor::start(&FeedPosition { resource_id: "r".into(), ranges: vec![range("", "20"), range("20", "FF")] })
    }

    fn page(lsns: &[i64], newest_lsn: i64, continuation: &str) -> FeedPage {
        let item = |lsn: &i64| FeedItem { document: json!({}), lsn: Some(*lsn), lacks_own_lsn: false };
        FeedPage {
            items: lsns.iter().map(item).collect(),
            parts: vec![KeyRange { min: String::new(), max: "20".into() }],
            continuation: Some(continuation.into()),
            newest_lsn: Some(newest_lsn),
        }
    }

    fn read(range: &FeedRangeCursor, page: &FeedPage) -> FeedRangeCursor {
        match range.after(page, 2) {
            FeedStep::Read(range) => range,
            FeedStep::Split(parts) => panic!("{parts:?}"),
        }
    }

    #[test]
    fn the_next_backup_starts_before_the_changes_that_were_made_during_this_one() {
        let first = &cursor().to_read(9)[0];
        let quiet = read(first, &page(&[11, 12], 13, "\"12\""));
        assert_eq!((quiet.next_backup.as_str(), quiet.is_done), ("\"12\"", false));
        // 14 was written after the reading began, at 13.
        let busy = read(&quiet, &page(&[13, 14], 15, "\"14\""));
        assert_eq!((busy.next_backup.as_str(), busy.continuation.as_str(), busy.is_done), ("\"12\"", "\"14\"", false));
        let end = read(&busy, &page(&[15], 15, "\"15\""));
        assert_eq!((end.next_backup.as_str(), end.is_done), ("\"12\"", true));
        let empty = read(&quiet, &page(&[], 13, "\"13\""));
        assert_eq!((empty.next_backup.as_str(), empty.is_done), ("\"13\"", true));
    }

    #[test]
    fn a_range_is_read_up_to_its_newest_write_or_to_an_empty_page() {
        let first = &cursor().to_read(9)[0];
        for (lsns, newest, is_done) in
            [(&[11][..], 11, true), (&[11], 12, false), (&[11, 12], 12, false), (&[], 9, true)]
        {
            assert_eq!(read(first, &page(lsns, newest, "\"12\"")).is_done, is_done, "{lsns:?}");
        }
        let unknown = FeedPage { newest_lsn: None, ..page(&[11], 0, "\"11\"") };
        let unknown = read(first, &unknown);
        assert_eq!((unknown.is_done, unknown.next_backup.as_str()), (false, "\"10\""));
    }

    #[test]
    fn the_parts_of_a_split_range_start_at_its_position() {
        let mut cursor = cursor();
        let range = cursor.to_read(1).remove(0);
        let part = |min: &str, max: &str| KeyRange { min: min.into(), max: max.into() };
        let split =
            FeedPage { parts: vec![part("", "10"), part("10", "20")], continuation: None, ..page(&[11], 12, "unused") };
        let FeedStep::Split(parts) = range.after(&split, 2) else { panic!("it was split") };
        cursor.replace(&range, parts);
        let position = cursor.position();
        let ranges: Vec<_> = position.ranges.iter().map(|range| (range.min.as_str(), range.max.as_str())).collect();
        assert_eq!(ranges, [("", "10"), ("10", "20"), ("20", "FF")]);
        assert!(position.ranges.iter().all(|range| range.continuation == "\"10\"") && !cursor.is_done());
        assert!(FeedCursor::unread(position).is_done());
    }
}
