//! A policy: what people set.

use changefeed_backup_format::LocationAccess;
use changefeed_cosmos::{Error, ErrorKind};
use changefeed_history::TimeZone;
use changefeed_jobs::check_budget;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use super::interval::{Interval, TimeOfDay};
use super::keep::Keep;
use super::prune_request::PruneRequest;
use super::schedule::Schedule;
use crate::backup::format_error;

/// How often a full backup is taken, where the policy does not say it.
const DEFAULT_FULL_EVERY: Interval = Interval::days(7);
/// The most increments between two full backups: a restore reads all of them.
const MAX_INCREMENTS: i64 = 500;
/// The longest time between two digest jobs: removals are remembered for them for 90 days.
const MAX_DIGEST_INTERVAL: Interval = Interval::days(60);
/// The most backups of a kind that can be kept.
const MAX_KEPT: u32 = 10_000;

/// When backups of the live documents are taken, where they are stored, and which of them are kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BackupPolicy {
    /// The location below which each backup has a folder: the path of a folder, or a URL of blobs without a SAS.
    pub to: String,
    /// How often a backup is taken.
    pub every: Interval,
    /// The time of day of backups that are taken every so many days; midnight if it is not set.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub at: Option<TimeOfDay>,
    /// The zone of the time of day, and of the days, weeks and months by which backups are kept.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub time_zone: Option<String>,
    /// How often a full backup is taken instead of an increment.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub full_every: Option<Interval>,
    /// Of how many days the newest backup is kept. Without any of the three numbers, no backup is deleted.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub keep_daily: Option<u32>,
    /// Of how many weeks, which begin on Monday.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub keep_weekly: Option<u32>,
    /// Of how many months.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub keep_monthly: Option<u32>,
    /// Whether digests of the history are written to the location with each backup. They are, unless a policy says otherwise; a policy that
    /// was stored without this field has none.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub digests: Option<bool>,
    /// The budget of a backup, and of its digests: request units a second.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub ru_per_second: Option<f64>,
    /// The reason, for the record of each backup.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reason: Option<String>,
    /// Who set it, for the record of each backup.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub requested_by: Option<String>,
    /// Other fields of a stored policy, which a later version of this program has set. Its backups are taken, and nothing is deleted by it,
    /// because a field may say that more is kept.
    #[serde(flatten, skip_deserializing)]
    pub unknown: Map<String, Value>,
}

/// The fields of a policy that this version knows.
const FIELDS: [&str; 12] = [
    "to",
    "every",
    "at",
    "timeZone",
    "fullEvery",
    "keepDaily",
    "keepWeekly",
    "keepMonthly",
    "digests",
    "ruPerSecond",
    "reason",
    "requestedBy",
];

fn invalid(message: impl Into<String>) -> Error {
    Error::invalid("setting the backup policy", message)
}

impl BackupPolicy {
    /// Reads a stored policy.
    pub(super) fn stored<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut known = Map::deserialize(deserializer)?;
        let names: Vec<String> = known.keys().filter(|name| !FIELDS.contains(&name.as_str())).cloned().collect();
        let unknown = names.into_iter().filter_map(|name| known.remove_entry(&name)).collect();
        let policy: Self = serde_json::from_value(known.into()).map_err(D::Error::custom)?;
        Ok(Self { unknown, ..policy })
    }

    /// The policy with its defaults, after it was checked. Nothing is sent.
    pub(super) fn checked(self, access: &LocationAccess, zone: &TimeZone) -> Result<Self, Error> {
        let to = self.to.trim_end_matches('/').to_owned();
        access.open(&to).map_err(format_error)?;
        check_budget(self.ru_per_second).map_err(invalid)?;
        if self.at.is_some() && self.every.whole_days().is_none() {
            let message = format!(
                "at: a time of day needs an interval of whole days, and every is {}; use 1d, or leave out at: backups every few \
                 hours are at whole multiples of the interval since 1970-01-01T00:00:00Z",
                self.every
            );
            return Err(invalid(message));
        }
        let full_every = self.full_every.unwrap_or(DEFAULT_FULL_EVERY.max(self.every));
        if full_every < self.every {
            let message =
                format!("fullEvery: {full_every} is shorter than every, {}; use {0} for full backups only", self.every);
            return Err(invalid(message));
        }
        if full_every.seconds() / self.every.seconds() > MAX_INCREMENTS {
            return Err(invalid(format!(
                "fullEvery: {full_every} is more than {MAX_INCREMENTS} increments, one every {}; use a shorter time",
                self.every
            )));
        }
        let keep =
            [("keepDaily", self.keep_daily), ("keepWeekly", self.keep_weekly), ("keepMonthly", self.keep_monthly)];
        if let Some((name, Some(count))) = keep.iter().find(|(_, count)| count.is_some_and(|count| count > MAX_KEPT)) {
            return Err(invalid(format!("{name} is {count}; allowed are 0 to {MAX_KEPT}")));
        }
        if keep.iter().any(|(_, count)| count.is_some()) && keep.iter().all(|(_, count)| count.unwrap_or(0) == 0) {
            let message =
                "keepDaily, keepWeekly and keepMonthly are all 0; set one of them, or none to keep every backup";
            return Err(invalid(message));
        }
        let digests = self.digests.unwrap_or(true);
        if digests && self.every > MAX_DIGEST_INTERVAL {
            return Err(invalid(format!(
                "digests: every is {}, and digests need at most {MAX_DIGEST_INTERVAL}, because removals are remembered for 90 days; use a \
                 shorter interval, or no digests",
                self.every
            )));
        }
        let name = self.time_zone.clone().unwrap_or_else(|| zone.to_string());
        let zone: TimeZone = name.parse().map_err(|message| invalid(format!("timeZone: {message}")))?;
        Ok(Self { to, full_every: Some(full_every), time_zone: Some(zone.to_string()), digests: Some(digests), ..self })
    }

    /// The zone of its times.
    pub(super) fn zone(&self) -> Result<TimeZone, Error> {
        let name = self.time_zone.as_deref().unwrap_or("UTC");
        name.parse().map_err(|message: String| Error::corrupt("reading the backup policy", message))
    }

    pub(super) fn schedule(&self) -> Result<Schedule, Error> {
        Ok(Schedule { every: self.every, at: self.at.unwrap_or_default(), zone: self.zone()? })
    }

    /// Which backups are kept; nothing where every backup is.
    fn keep(&self) -> Keep {
        let count = |count: Option<u32>| count.unwrap_or(0);
        Keep { daily: count(self.keep_daily), weekly: count(self.keep_weekly), monthly: count(self.keep_monthly) }
    }

    /// What it asks to prune; nothing where every backup is kept.
    ///
    /// # Errors
    /// [`Conflict`](ErrorKind::Conflict) when a later version of this program has set it with fields that this one does not
    /// know.
    pub fn prune_request(&self) -> Result<Option<PruneRequest>, Error> {
        if !self.unknown.is_empty() {
            let names = self.unknown.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
            let message = format!(
                "the policy has fields that this version of the program does not know: {names}; nothing is deleted by it. Use the version that has \
                 set it, or set the policy again"
            );
            return Err(Error::new(ErrorKind::Conflict, "pruning by the backup policy", message));
        }
        let keep = self.keep();
        if keep.is_empty() {
            return Ok(None);
        }
        Ok(Some(PruneRequest { location: self.to.clone(), keep, zone: self.zone()? }))
    }

    pub(super) fn full_every(&self) -> Interval {
        self.full_every.unwrap_or(DEFAULT_FULL_EVERY)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn checked(policy: Value) -> Result<BackupPolicy, String> {
        let access = LocationAccess { host: Some("here".into()), ..LocationAccess::default() };
        let policy: BackupPolicy = serde_json::from_value(policy).map_err(|error| error.to_string())?;
        policy.checked(&access, &"Europe/Berlin".parse().expect("a zone")).map_err(|error| error.to_string())
    }

    #[test]
    fn a_policy_gets_its_defaults() {
        let policy = checked(json!({"to": "/backups/", "every": "1d"})).expect("a policy");
        let expected =
            json!({"to": "/backups", "every": "1d", "timeZone": "Europe/Berlin", "fullEvery": "7d", "digests": true});
        assert_eq!(json!(policy), expected);
        let monthly = checked(json!({"to": "/backups", "every": "30d", "timeZone": "utc"})).expect("a policy");
        assert_eq!((json!(monthly)["fullEvery"].as_str(), monthly.time_zone.as_deref()), (Some("30d"), Some("UTC")));
        let rare = checked(json!({"to": "/backups", "every": "61d", "digests": false})).expect("a policy");
        assert_eq!(rare.digests, Some(false));
    }

    #[test]
    fn a_policy_of_a_later_version_is_stored_as_it_is_and_deletes_nothing() {
        let later = json!({"to": "/backups", "every": "1d", "keepDaily": 7, "keepYearly": 3});
        let policy = BackupPolicy::stored(later.clone()).expect("a policy");
        assert_eq!(json!(policy), later);
        let message = policy.prune_request().expect_err("refused").to_string();
        assert!(message.contains("does not know: keepYearly"), "{message}");
        let known = BackupPolicy { unknown: Map::new(), ..policy };
        assert!(known.prune_request().expect("known").is_some());
    }

    #[test]
    fn each_field_is_known() {
        let all = json!({"to": "/backups", "every": "1d", "at": "02:00", "timeZone": "UTC", "fullEvery": "7d", "keepDaily": 1,
            "keepWeekly": 1, "keepMonthly": 1, "digests": true, "ruPerSecond": 100, "reason": "r", "requestedBy": "r"});
        let policy = BackupPolicy::stored(all).expect("a policy");
        assert!(policy.unknown.is_empty(), "{:?}", policy.unknown);
        let stored = json!(policy);
        assert_eq!(stored.as_object().expect("object").keys().collect::<Vec<_>>(), FIELDS);
    }

    #[test]
    fn a_wrong_policy_is_refused_with_what_is_allowed() {
        for (change, expected) in [
            (json!({"every": "30m"}), "from 1h to 366d"),
            (json!({"every": "6h", "at": "02:00"}), "needs an interval of whole days"),
            (json!({"at": "2"}), "such as 02:30"),
            (json!({"fullEvery": "12h"}), "shorter than every, 1d"),
            (json!({"every": "1h", "fullEvery": "366d"}), "more than 500 increments"),
            (json!({"keepDaily": 0}), "all 0"),
            (json!({"keepMonthly": 10_001}), "keepMonthly is 10001; allowed are 0 to 10000"),
            (json!({"keepDaily": -1}), "invalid value"),
            (json!({"timeZone": "Berlin"}), "timeZone: unknown time zone"),
            (json!({"every": "61d"}), "digests: every is 61d, and digests need at most 60d"),
            (json!({"ruPerSecond": 1}), "ruPerSecond"),
            (json!({"to": "https://a.blob.core.windows.net/c?sig=s3cret"}), "BACKUP_STORAGE"),
            (json!({"to": ""}), "empty"),
            (json!({"colour": "red"}), "unknown field `colour`, expected one of `to`, `every`, `at`, `timeZone`"),
        ] {
            let mut policy = json!({"to": "/backups", "every": "1d"});
            policy.as_object_mut().expect("object").extend(change.as_object().expect("object").clone());
            let message = checked(policy.clone()).expect_err("refused");
            assert!(message.contains(expected) && !message.contains("s3cret"), "{policy}: {message}");
        }
    }
}
