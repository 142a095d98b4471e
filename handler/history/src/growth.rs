//! How the history grows: the size of the container of the versions, hour by hour, in an item of the jobs container.
//! `docs/reference/format.md` specifies it.
//!
//! The service says how large a container is, and not how large it was. Counting the versions of a day would cost more the more
//! there are.

use changefeed_cosmos::{Error, ErrorKind, Key, Usage, without_system_properties};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::containers::Containers;
use crate::version::SCHEMA;

const ID: &str = "sizes";
const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;

/// How the container of the versions has grown. What the retention has removed is subtracted.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Growth {
    /// The time in which it has: at most a day.
    pub seconds: i64,
    /// Items. A large version is several.
    pub items: i64,
    /// Bytes, with the index.
    pub bytes: i64,
    /// About how many request units a day it costs to store the versions at this rate; absent if there are fewer than before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_units_per_day: Option<f64>,
}

impl Growth {
    /// Bytes a day at this rate.
    pub fn bytes_per_day(&self) -> f64 {
        per_day(self.bytes, self.seconds)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Sample {
    /// Seconds since 1970.
    second: i64,
    items: u64,
    bytes: u64,
}

/// The sizes of the last day, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Sizes {
    samples: Vec<Sample>,
}

impl Sizes {
    /// Whether the last size is an hour old.
    fn is_due(&self, second: i64) -> bool {
        self.samples.last().is_none_or(|last| second >= last.second + HOUR)
    }

    /// Adds a size, and forgets those that are older than a day but one: that one begins the day.
    fn add(&mut self, second: i64, usage: Usage) {
        self.samples.push(Sample { second, items: usage.items, bytes: usage.bytes });
        let old = self.samples.iter().filter(|sample| sample.second <= second - DAY).count();
        self.samples.drain(..old.saturating_sub(1));
    }

    /// The growth since the size of a day before, or the first one after that. `None` within the first hour.
    fn growth(&self, second: i64, usage: Usage) -> Option<Growth> {
        let day_before = self.samples.iter().rfind(|sample| sample.second <= second - DAY);
        let first = day_before.filter(|sample| sample.second >= second - DAY - HOUR);
        let first = first.or_else(|| self.samples.iter().find(|sample| sample.second > second - DAY))?;
        let seconds = second - first.second;
        if seconds < HOUR {
            return None;
        }
        let grown = |now: u64, then: u64| now.cast_signed() - then.cast_signed();
        let (items, bytes) = (grown(usage.items, first.items), grown(usage.bytes, first.bytes));
        let mean = usage.mean_item_bytes().unwrap_or_default();
        let request_units_per_day = (items >= 0).then(|| per_day(items, seconds) * write_charge(mean));
        Some(Growth { seconds, items, bytes, request_units_per_day })
    }
}

fn per_day(number: i64, seconds: i64) -> f64 {
    number as f64 * DAY as f64 / seconds as f64
}

/// About how many request units it costs to store an item of so many bytes with our index policy. `docs/performance.md` has what was
/// measured.
fn write_charge(bytes: u64) -> f64 {
    6.6 + 0.00023 * bytes as f64
}

impl Containers {
    /// Notes the size of the container of the versions, once an hour. Of two that do so at once, one is not stored.
    ///
    /// # Errors
    /// When a container cannot be read or written.
    pub async fn note_size(&self, now: DateTime<Utc>) -> Result<(), Error> {
        let (mut sizes, etag) = self.sizes().await?;
        let second = now.timestamp();
        if !sizes.is_due(second) {
            return Ok(());
        }
        let Some(usage) = self.changes.open().await?.usage().await? else { return Ok(()) };
        sizes.add(second, usage);
        let record = serde_json::json!({"id": ID, "kind": ID, "samples": sizes.samples, "schema": SCHEMA});
        let (jobs, id) = (self.jobs.open().await?, self.jobs.own_id(ID));
        let key = Key::text(&id);
        let written = match etag {
            Some(etag) => jobs.replace(&key, &id, &record, &etag).await,
            None => jobs.create(&key, &id, &record).await,
        };
        match written {
            Err(error) if matches!(error.kind(), ErrorKind::Conflict | ErrorKind::PreconditionFailed) => Ok(()),
            written => written.map(drop),
        }
    }

    /// How the container of the versions has grown in the last day. `None` until it was observed for an hour.
    ///
    /// # Errors
    /// When a container cannot be read.
    pub async fn growth(&self, now: DateTime<Utc>) -> Result<Option<Growth>, Error> {
        let (sizes, _) = self.sizes().await?;
        if sizes.samples.is_empty() {
            return Ok(None);
        }
        let usage = self.changes.open().await?.usage().await?;
        Ok(usage.and_then(|usage| sizes.growth(now.timestamp(), usage)))
    }

    /// The sizes and their etag. A record that cannot be parsed counts as empty and is replaced.
    async fn sizes(&self) -> Result<(Sizes, Option<String>), Error> {
        let id = self.jobs.own_id(ID);
        let Some(item) = self.jobs.open().await?.read(&Key::text(&id), &id).await? else {
            return Ok(Default::default());
        };
        let etag = item["_etag"].as_str().map(str::to_owned);
        Ok((serde_json::from_value(without_system_properties(item)).unwrap_or_default(), etag))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usage(items: u64) -> Usage {
        Usage { items, item_bytes: items * 1000, bytes: items * 1100 }
    }

    #[test]
    fn the_growth_is_that_of_the_last_day_or_since_the_first_size() {
        let mut sizes = Sizes::default();
        assert_eq!(sizes.growth(0, usage(5)), None);
        sizes.add(0, usage(100));
        assert!(!sizes.is_due(HOUR - 1) && sizes.is_due(HOUR), "once an hour");
        assert_eq!(sizes.growth(HOUR - 1, usage(150)), None);
        let growth = sizes.growth(2 * HOUR, usage(300)).expect("a growth");
        assert_eq!((growth.seconds, growth.items, growth.bytes), (2 * HOUR, 200, 220_000));
        assert_eq!(growth.bytes_per_day(), 12.0 * 220_000.0);
        let units = growth.request_units_per_day.expect("an estimate");
        assert!((units / (12.0 * 200.0) - 6.83).abs() < 0.01, "{units}");

        for hour in 1..=60 {
            sizes.add(hour * HOUR, usage(100 + hour.unsigned_abs()));
        }
        assert_eq!(sizes.samples.len(), 25);
        let growth = sizes.growth(60 * HOUR + 10, usage(90)).expect("a growth");
        assert_eq!((growth.seconds, growth.items), (DAY + 10, 90 - 136));
        assert_eq!(growth.request_units_per_day, None, "the retention has removed more than was stored");
        // Nothing was noted for ten days.
        assert_eq!(sizes.growth(300 * HOUR, usage(900)), None);
        sizes.add(300 * HOUR, usage(1000));
        assert_eq!(sizes.growth(302 * HOUR, usage(1100)).expect("a growth").seconds, 2 * HOUR);
    }
}
