//! When backups are due. The slots follow from the policy alone, so that every instance finds the same ones.

use changefeed_history::TimeZone;
use chrono::{DateTime, Datelike, Utc};

use super::interval::{Interval, TimeOfDay};

/// The day from which days are counted, since 1970-01-01: a Monday, so that a week begins on one.
const FIRST_DAY: i64 = 4;
/// The day of 1970-01-01, as `chrono` counts.
const EPOCH_DAY: i64 = 719_163;

/// The slots of a policy: a time of day on every so many days, or every so many hours.
#[derive(Clone, Debug)]
pub(super) struct Schedule {
    pub every: Interval,
    pub at: TimeOfDay,
    pub zone: TimeZone,
}

impl Schedule {
    /// The latest slot that is not after a time.
    pub(super) fn latest(&self, time: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let Some(days) = self.every.whole_days() else {
            return self.by_hours(time.timestamp().div_euclid(self.every.seconds()));
        };
        let day = self.slot_day(time, days);
        let slot = self.on_day(day)?;
        if slot <= time { Some(slot) } else { self.on_day(day - days) }
    }

    /// The first slot after a time.
    pub(super) fn next(&self, time: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let Some(days) = self.every.whole_days() else {
            return self.by_hours(time.timestamp().div_euclid(self.every.seconds()) + 1);
        };
        let day = self.slot_day(time, days);
        let slot = self.on_day(day)?;
        if slot > time { Some(slot) } else { self.on_day(day + days) }
    }

    /// The last day with a slot, up to the day of a time.
    fn slot_day(&self, time: DateTime<Utc>, days: i64) -> i64 {
        let day = i64::from(self.zone.local(time).date_naive().num_days_from_ce()) - EPOCH_DAY;
        (day - FIRST_DAY).div_euclid(days) * days + FIRST_DAY
    }

    fn on_day(&self, day: i64) -> Option<DateTime<Utc>> {
        self.zone.on_day(day, self.at.hour, self.at.minute)
    }

    fn by_hours(&self, number: i64) -> Option<DateTime<Utc>> {
        DateTime::from_timestamp(number.checked_mul(self.every.seconds())?, 0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn schedule(every: &str, at: &str, zone: &str) -> Schedule {
        Schedule {
            every: every.parse().expect("an interval"),
            at: at.parse().expect("a time of day"),
            zone: zone.parse().expect("a zone"),
        }
    }

    fn time(text: &str) -> DateTime<Utc> {
        text.parse().expect("a time")
    }

    #[test]
    fn slots_are_at_the_time_of_day_in_the_zone_or_every_few_hours() {
        for (every, at, zone, now, latest, next) in [
            ("1d", "02:00", "UTC", "2026-11-20T01:59:59Z", "2026-11-19T02:00:00Z", "2026-11-20T02:00:00Z"),
            ("1d", "02:00", "UTC", "2026-11-20T02:00:00Z", "2026-11-20T02:00:00Z", "2026-11-21T02:00:00Z"),
            ("1d", "02:00", "Asia/Tokyo", "2026-11-20T17:30:00Z", "2026-11-20T17:00:00Z", "2026-11-21T17:00:00Z"),
            // The clocks are set forward on 2026-03-29, and back on 2026-10-25.
            ("1d", "02:30", "Europe/Berlin", "2026-03-29T12:00:00Z", "2026-03-29T01:30:00Z", "2026-03-30T00:30:00Z"),
            ("1d", "02:30", "Europe/Berlin", "2026-10-25T01:00:00Z", "2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"),
            // 2026-11-16 is a Monday.
            ("7d", "02:00", "UTC", "2026-11-20T12:00:00Z", "2026-11-16T02:00:00Z", "2026-11-23T02:00:00Z"),
            ("6h", "00:00", "UTC", "2026-11-20T12:00:00Z", "2026-11-20T12:00:00Z", "2026-11-20T18:00:00Z"),
            ("1h", "00:00", "UTC", "2026-11-20T11:59:59Z", "2026-11-20T11:00:00Z", "2026-11-20T12:00:00Z"),
        ] {
            let schedule = schedule(every, at, zone);
            let found = (schedule.latest(time(now)), schedule.next(time(now)));
            assert_eq!(found, (Some(time(latest)), Some(time(next))), "{every} at {at} {zone}, {now}");
        }
    }

    proptest! {
        /// Compared with the list of all slots that a walk finds.
        #[test]
        fn every_time_is_between_two_neighbouring_slots(
            hours in 1u32..400, hour in 0..24i8, minute in 0..60i8, zone in 0..4usize, start in 1_700_000_000i64..1_900_000_000, steps in proptest::collection::vec(0i64..200_000, 1..50),
        ) {
            let zone = ["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"][zone];
            let schedule = schedule(&format!("{hours}h"), &format!("{hour:02}:{minute:02}"), zone);
            let at = |second| DateTime::from_timestamp(second, 0).expect("a time");
            let mut second = start;
            for step in steps {
                let (latest, next) = (schedule.latest(at(second)).expect("a slot"), schedule.next(at(second)).expect("a slot"));
                prop_assert!(latest <= at(second) && at(second) < next, "{latest} {} {next}", at(second));
                // Nothing is between the two: each is the neighbour of the other, and a clock change moves a slot by an hour at most.
                prop_assert_eq!(schedule.next(latest), Some(next));
                prop_assert_eq!(schedule.latest(next - chrono::TimeDelta::seconds(1)), Some(latest));
                let length = (next - latest).num_seconds() - schedule.every.seconds();
                let slack = if schedule.every.whole_days().is_some() { 3600 } else { 0 };
                prop_assert!(length.abs() <= slack, "{latest} {next}");
                second += step;
            }
        }
    }
}
