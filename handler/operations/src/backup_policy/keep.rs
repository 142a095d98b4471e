//! Which backups are kept, by their times alone.

use std::collections::BTreeSet;

use changefeed_history::TimeZone;
use chrono::{DateTime, Datelike, NaiveDate, Utc};
use serde::Serialize;

/// Of how many days, weeks and months the newest backup is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Keep {
    /// Days.
    pub daily: u32,
    /// Weeks, which begin on Monday.
    pub weekly: u32,
    /// Months.
    pub monthly: u32,
}

/// Why a backup is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum KeptAs {
    /// It is the newest of its day.
    Daily,
    /// It is the newest of its week.
    Weekly,
    /// It is the newest of its month.
    Monthly,
}

impl Keep {
    /// Whether nothing is kept, so that nothing must be deleted.
    pub(super) fn is_empty(self) -> bool {
        self.daily == 0 && self.weekly == 0 && self.monthly == 0
    }

    /// For each time, why its backup is kept; nothing if it is not. Periods are those of the zone. A period without a backup does not count.
    pub(super) fn of_times(self, times: &[DateTime<Utc>], zone: &TimeZone) -> Vec<BTreeSet<KeptAs>> {
        let mut kept = vec![BTreeSet::new(); times.len()];
        let mut newest_first: Vec<usize> = (0..times.len()).collect();
        newest_first.sort_by_key(|index| std::cmp::Reverse((times[*index], *index)));
        type Period = fn(NaiveDate) -> (i32, u32);
        let kinds: [(KeptAs, u32, Period); 3] = [
            (KeptAs::Daily, self.daily, |date| (date.year(), date.ordinal())),
            (KeptAs::Weekly, self.weekly, |date| (date.iso_week().year(), date.iso_week().week())),
            (KeptAs::Monthly, self.monthly, |date| (date.year(), date.month())),
        ];
        for (kind, count, period) in kinds {
            let mut seen = BTreeSet::new();
            for index in &newest_first {
                if seen.len() >= count as usize {
                    break;
                }
                if seen.insert(period(zone.local(times[*index]).date_naive())) {
                    kept[*index].insert(kind);
                }
            }
        }
        kept
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn time(text: &str) -> DateTime<Utc> {
        text.parse().expect("a time")
    }

    #[test]
    fn the_newest_backup_of_each_period_is_kept() {
        use KeptAs::{Daily, Monthly, Weekly};
        // 2026-11-02 is a Monday.
        let times = [
            "2026-09-30T22:30:00Z",
            "2026-10-31T02:00:00Z",
            "2026-11-01T02:00:00Z",
            "2026-11-02T02:00:00Z",
            "2026-11-03T02:00:00Z",
            "2026-11-03T08:00:00Z",
        ]
        .map(time);
        let kept = |daily, weekly, monthly, zone: &str| -> Vec<Vec<KeptAs>> {
            let kept = Keep { daily, weekly, monthly }.of_times(&times, &zone.parse().expect("a zone"));
            kept.into_iter().map(|kinds| kinds.into_iter().collect()).collect()
        };
        let none = Vec::new;
        let expected = [none(), none(), vec![Weekly], vec![Daily], none(), vec![Daily, Weekly, Monthly]];
        assert_eq!(kept(2, 2, 1, "UTC"), expected);
        let expected = [vec![Monthly], vec![Monthly], none(), none(), none(), vec![Monthly]];
        assert_eq!(kept(0, 0, 5, "UTC"), expected);
        // In Berlin, the first one is of October.
        let expected = [none(), vec![Monthly], none(), none(), none(), vec![Monthly]];
        assert_eq!(kept(0, 0, 5, "Europe/Berlin"), expected);
        assert_eq!(kept(0, 0, 0, "UTC"), vec![none(); 6]);
        assert_eq!(kept(100, 0, 0, "UTC").iter().filter(|kinds| !kinds.is_empty()).count(), 5);
    }

    proptest! {
        /// Compared with the newest backup of each period in a list of all periods.
        #[test]
        fn as_many_periods_as_asked_have_their_newest_backup(
            seconds in proptest::collection::vec(1_790_000_000i64..1_799_000_000, 0..60), daily in 0u32..10, weekly in 0u32..6, monthly in 0u32..4,
        ) {
            let times: Vec<DateTime<Utc>> = seconds.iter().map(|second| DateTime::from_timestamp(*second, 0).expect("a time")).collect();
            let kept = Keep { daily, weekly, monthly }.of_times(&times, &TimeZone::UTC);
            for (kind, count, format) in [(KeptAs::Daily, daily, "%Y-%m-%d"), (KeptAs::Weekly, weekly, "%G-%V"), (KeptAs::Monthly, monthly, "%Y-%m")] {
                let mut newest = std::collections::BTreeMap::<String, DateTime<Utc>>::new();
                for time in &times {
                    let period = newest.entry(time.format(format).to_string()).or_insert(*time);
                    *period = (*period).max(*time);
                }
                let expected: BTreeSet<DateTime<Utc>> = newest.into_values().rev().take(count as usize).collect();
                let found: Vec<DateTime<Utc>> = (0..times.len()).filter(|index| kept[*index].contains(&kind)).map(|index| times[index]).collect();
                prop_assert_eq!(found.len(), expected.len(), "each period has one");
                prop_assert_eq!(found.into_iter().collect::<BTreeSet<_>>(), expected);
            }
        }
    }
}
