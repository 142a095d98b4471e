//! The physical partitions of a container, which clients know as its partition key ranges.
//!
//! Ids are never used twice. A partition lists all its ancestors: a client with an old list needs them all to find out which of
//! its partitions have been replaced.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::hash_space::{HashSpace, MAX, MIN, is_key};
use super::resource_id::ContainerRid;

/// A physical partition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Range {
    pub id: u32,
    /// The lowest effective partition key of the partition, in upper-case hexadecimal digits; empty for the lowest of all.
    pub min: String,
    /// The lowest effective partition key above the partition; `FF` above all.
    pub max: String,
    /// The ids of all partitions that this one descends from, ascending.
    pub parents: BTreeSet<u32>,
    /// When the partition was created, in seconds since 1970.
    created: i64,
}

/// The physical partitions of a container, which cover all keys without gap or overlap.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Ranges {
    space: HashSpace,
    /// In the order of their keys, at least one.
    ranges: Vec<Range>,
    next_id: u32,
}

/// Why partitions cannot be split or merged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum RangeError {
    Missing(u32),
    /// A partition has no key strictly between its ends.
    Indivisible(u32),
    /// The key is not strictly inside the partition.
    Outside {
        range: u32,
        key: String,
    },
    NotAdjacent(u32, u32),
}

impl fmt::Display for RangeError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(id) => write!(formatter, "partition {id} does not exist"),
            Self::Indivisible(id) => write!(formatter, "partition {id} has only one key and cannot be split"),
            Self::Outside { range, key } => {
                write!(formatter, "the key {key} is not strictly between the ends of partition {range}")
            }
            Self::NotAdjacent(one, other) => {
                write!(
                    formatter,
                    "partitions {one} and {other} are not adjacent; only adjacent partitions can be merged"
                )
            }
        }
    }
}

impl Ranges {
    /// The partitions of a new container: `count` equal ones, at least one. `now` is in seconds since 1970.
    pub(crate) fn new(space: HashSpace, count: u32, now: i64) -> Self {
        let count = count.max(1);
        let mut ends = space.boundaries(count);
        ends.push(MAX.to_owned());
        let mut min = MIN.to_owned();
        let range = |(id, max): (u32, String)| Range {
            id,
            min: std::mem::replace(&mut min, max.clone()),
            max,
            parents: BTreeSet::new(),
            created: now,
        };
        Self { space, ranges: (0..count).zip(ends).map(range).collect(), next_id: count }
    }

    /// The partitions in the order of their keys.
    pub(crate) fn list(&self) -> &[Range] {
        &self.ranges
    }

    pub(crate) fn get(&self, id: u32) -> Option<&Range> {
        self.ranges.iter().find(|range| range.id == id)
    }

    /// Replaces a partition by two: below a key, and from it. Without a key, the middle is used. Returns their ids.
    pub(crate) fn split(&mut self, id: u32, at: Option<&str>, now: i64) -> Result<[u32; 2], RangeError> {
        let position = self.position(id)?;
        let range = &self.ranges[position];
        let key = match at {
            Some(key) if is_key(key) && key > range.min.as_str() && key < range.max.as_str() => key.to_owned(),
            Some(key) => return Err(RangeError::Outside { range: id, key: key.to_owned() }),
            None => self.space.middle(&range.min, &range.max).ok_or(RangeError::Indivisible(id))?,
        };
        let mut parents = range.parents.clone();
        parents.insert(id);
        let ids = [self.next_id, self.next_id + 1];
        let low =
            Range { id: ids[0], min: range.min.clone(), max: key.clone(), parents: parents.clone(), created: now };
        let high = Range { id: ids[1], min: key, max: range.max.clone(), parents, created: now };
        self.ranges.splice(position..=position, [low, high]);
        self.next_id += 2;
        Ok(ids)
    }

    /// Replaces two adjacent partitions by one, and returns its id.
    pub(crate) fn merge(&mut self, one: u32, other: u32, now: i64) -> Result<u32, RangeError> {
        let (first, second) = (self.position(one)?, self.position(other)?);
        let (first, second) = (first.min(second), first.max(second));
        if second != first + 1 {
            return Err(RangeError::NotAdjacent(one, other));
        }
        let (low, high) = (&self.ranges[first], &self.ranges[second]);
        let mut parents: BTreeSet<u32> = low.parents.union(&high.parents).copied().collect();
        parents.extend([low.id, high.id]);
        let id = self.next_id;
        let merged = Range { id, min: low.min.clone(), max: high.max.clone(), parents, created: now };
        self.ranges.splice(first..=second, [merged]);
        self.next_id += 1;
        Ok(id)
    }

    /// The etag of the list, which every split and merge changes.
    pub(crate) fn etag(&self) -> String {
        let newest = self.ranges.iter().map(|range| range.created).max().unwrap_or_default();
        format!("\"{:08x}-0000-0100-0000-{newest:08x}0000\"", self.next_id)
    }

    /// The body of the list. `lsn` has the number of the last commit in a partition.
    pub(crate) fn to_feed(&self, container: ContainerRid, lsn: impl Fn(u32) -> u64) -> Value {
        let fraction = 1.0 / self.ranges.len() as f64;
        let etag = self.etag();
        let range = |range: &Range| {
            let rid = container.range(range.id);
            json!({
                "_rid": rid.to_string(),
                "id": range.id.to_string(),
                "_etag": etag,
                "minInclusive": range.min,
                "maxExclusive": range.max,
                "ridPrefix": range.id,
                "_self": rid.link(),
                "throughputFraction": fraction,
                "status": "online",
                "parents": range.parents.iter().map(u32::to_string).collect::<Vec<_>>(),
                "_ts": range.created,
                "lsn": lsn(range.id),
            })
        };
        json!({
            "_rid": container.to_string(),
            "PartitionKeyRanges": self.ranges.iter().map(range).collect::<Vec<_>>(),
            "_count": self.ranges.len(),
        })
    }

    fn position(&self, id: u32) -> Result<usize, RangeError> {
        self.ranges.iter().position(|range| range.id == id).ok_or(RangeError::Missing(id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_747_125_796;

    #[track_caller]
    fn assert_covered(ranges: &Ranges) {
        let list = ranges.list();
        assert_eq!((list[0].min.as_str(), list[list.len() - 1].max.as_str()), (MIN, MAX));
        assert!(list.windows(2).all(|pair| pair[0].max == pair[1].min && pair[0].min < pair[0].max), "{list:?}");
    }

    fn parents(ranges: &Ranges, id: u32) -> Vec<u32> {
        ranges.get(id).expect("a range").parents.iter().copied().collect()
    }

    #[test]
    fn a_new_container_has_equal_partitions() {
        let ranges = Ranges::new(HashSpace::Version2, 4, NOW);
        assert_covered(&ranges);
        let ids: Vec<u32> = ranges.list().iter().map(|range| range.id).collect();
        assert_eq!(ids, [0, 1, 2, 3]);
        assert_eq!(ranges.list()[1].min, "0FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF");
        assert_covered(&Ranges::new(HashSpace::Version1, 5, NOW));
        assert_eq!(Ranges::new(HashSpace::Version1, 0, NOW).list().len(), 1);
    }

    #[test]
    fn a_split_makes_two_with_new_ids() {
        let mut ranges = Ranges::new(HashSpace::Version2, 1, NOW);
        assert_eq!(ranges.split(0, None, NOW + 1), Ok([1, 2]));
        assert_eq!(ranges.list()[0].max, "1FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF");
        assert_eq!(ranges.split(2, Some("30"), NOW + 2), Ok([3, 4]));
        assert_covered(&ranges);
        assert_eq!(ranges.list().iter().map(|range| range.id).collect::<Vec<_>>(), [1, 3, 4]);
        assert_eq!((parents(&ranges, 1), parents(&ranges, 4)), (vec![0], vec![0, 2]));
    }

    #[test]
    fn a_merge_makes_one_that_descends_from_all() {
        let mut ranges = Ranges::new(HashSpace::Version1, 2, NOW);
        ranges.split(0, None, NOW).expect("split");
        assert_eq!(ranges.merge(1, 3, NOW), Ok(4));
        assert_covered(&ranges);
        assert_eq!(parents(&ranges, 4), [0, 1, 3]);
        assert_eq!(ranges.merge(4, 2, NOW), Ok(5));
        assert_eq!(parents(&ranges, 5), [0, 1, 2, 3, 4]);
        assert_eq!(ranges.split(5, None, NOW), Ok([6, 7]));
        assert_eq!(parents(&ranges, 7), [0, 1, 2, 3, 4, 5]);
    }

    #[test]
    fn what_cannot_be_split_or_merged_is_unchanged() {
        let mut ranges = Ranges::new(HashSpace::Version2, 3, NOW);
        let before = ranges.clone();
        let outside = |range, key: &str| Err(RangeError::Outside { range, key: key.into() });
        assert_eq!(ranges.split(3, None, NOW), Err(RangeError::Missing(3)));
        for key in ["", "FF", "30", "0g", "0a", "1"] {
            assert_eq!(ranges.split(0, Some(key), NOW), outside(0, key));
        }
        assert_eq!(ranges.merge(0, 2, NOW), Err(RangeError::NotAdjacent(0, 2)));
        assert_eq!(ranges.merge(1, 1, NOW), Err(RangeError::NotAdjacent(1, 1)));
        assert_eq!(ranges.merge(9, 1, NOW), Err(RangeError::Missing(9)));
        assert_eq!(ranges, before);
    }

    #[test]
    fn the_list_has_what_clients_read() {
        let container: ContainerRid = "lypXAMSZ-Cs=".parse().expect("a container");
        let mut ranges = Ranges::new(HashSpace::Version1, 1, NOW);
        let etag = ranges.etag();
        assert_eq!(etag, "\"00000001-0000-0100-0000-682306240000\"");
        ranges.split(0, None, NOW).expect("split");
        assert_ne!(ranges.etag(), etag);
        let feed = ranges.to_feed(container, |id| u64::from(id) + 10);
        assert_eq!((&feed["_rid"], &feed["_count"]), (&json!("lypXAMSZ-Cs="), &json!(2)));
        let expected = json!({
            "_rid": "lypXAMSZ-CsDAAAAAAAAUA==",
            "id": "1",
            "_etag": ranges.etag(),
            "minInclusive": "",
            "maxExclusive": "05C1DFFFFFFFFC",
            "ridPrefix": 1,
            "_self": "dbs/lypXAA==/colls/lypXAMSZ-Cs=/pkranges/lypXAMSZ-CsDAAAAAAAAUA==/",
            "throughputFraction": 0.5,
            "status": "online",
            "parents": ["0"],
            "_ts": NOW,
            "lsn": 11,
        });
        assert_eq!(feed["PartitionKeyRanges"][0], expected);
    }

    #[test]
    fn partitions_are_stored_as_json() {
        let mut ranges = Ranges::new(HashSpace::Version2, 2, NOW);
        ranges.split(1, None, NOW).expect("split");
        let json = serde_json::to_string(&ranges).expect("JSON");
        assert_eq!(serde_json::from_str::<Ranges>(&json).expect("ranges"), ranges);
    }
}
