//! When a function was called last, and when it is due: what the host stores of a schedule.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::newtonsoft::{self, TimeZone};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ScheduleStatus {
    /// `None` before the first call.
    pub last: Option<DateTime<Utc>>,
    /// `None` if the schedule has no further due time.
    pub next: Option<DateTime<Utc>>,
}

impl ScheduleStatus {
    /// The status when the host starts. The due time is in the past if a call was missed. Before the first call none is missed, and
    /// after a change of the schedule those of the old one are not.
    pub(super) fn at_start(
        stored: Option<Self>,
        now: DateTime<Utc>,
        next_after: impl Fn(DateTime<Utc>) -> Option<DateTime<Utc>>,
    ) -> Self {
        let from_now = || Self { last: None, next: next_after(now) };
        let Some((stored, last)) = stored.and_then(|stored| Some((stored, stored.last?))) else { return from_now() };
        match next_after(last) {
            next if next == stored.next => stored,
            Some(next) if next >= now => Self { last: None, next: Some(next) },
            _ => from_now(),
        }
    }

    /// As the function receives it.
    pub(super) fn to_json(self, zone: TimeZone, now: DateTime<Utc>) -> Value {
        let last = newtonsoft::local(self.last.unwrap_or(DateTime::<Utc>::MIN_UTC), zone);
        let next = newtonsoft::local(self.next.unwrap_or(now), zone);
        json!({"Last": last, "Next": next, "LastUpdated": last})
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::Schedule;

    fn time(text: &str) -> DateTime<Utc> {
        text.parse().expect("a time")
    }

    fn status(last: &str, next: &str) -> ScheduleStatus {
        ScheduleStatus { last: (!last.is_empty()).then(|| time(last)), next: Some(time(next)) }
    }

    #[test]
    fn the_status_has_the_last_call_and_the_one_that_is_due() {
        let (now, zone) = (time("2026-11-20T10:30:00Z"), TimeZone::default());
        let first = status("", "2026-11-20T10:31:00Z").to_json(zone, now);
        assert_eq!(
            first.to_string(),
            r#"{"Last":"0001-01-01T00:00:00+00:00","Next":"2026-11-20T10:31:00+00:00","LastUpdated":"0001-01-01T00:00:00+00:00"}"#
        );
        let second = status("2026-11-20T10:31:00.0039424Z", "2026-11-20T10:32:00Z").to_json(zone, now);
        assert_eq!(second["Last"], "2026-11-20T10:31:00.0039424+00:00");
    }

    #[test]
    fn a_missed_call_is_past_due_unless_it_is_the_first_or_of_another_schedule() {
        let now = time("2026-11-20T10:30:30Z");
        for (case, stored, expected) in [
            ("first start", None, status("", "2026-11-20T10:35:00Z")),
            (
                "nothing missed",
                Some(status("2026-11-20T10:30:00.1Z", "2026-11-20T10:35:00Z")),
                status("2026-11-20T10:30:00.1Z", "2026-11-20T10:35:00Z"),
            ),
            (
                "missed",
                Some(status("2026-11-20T09:00:00.1Z", "2026-11-20T09:05:00Z")),
                status("2026-11-20T09:00:00.1Z", "2026-11-20T09:05:00Z"),
            ),
            (
                "missed before the first call",
                Some(status("", "2026-11-20T09:05:00Z")),
                status("", "2026-11-20T10:35:00Z"),
            ),
            (
                "another schedule, due times missed",
                Some(status("2026-11-20T09:00:00.1Z", "2026-11-20T10:00:00Z")),
                status("", "2026-11-20T10:35:00Z"),
            ),
            (
                "another schedule, none missed",
                Some(status("2026-11-20T10:30:00.1Z", "2026-11-20T11:00:00Z")),
                status("", "2026-11-20T10:35:00Z"),
            ),
        ] {
            let schedule = Schedule::parse("0 */5 * * * *").expect("a schedule");
            let found = ScheduleStatus::at_start(stored, now, |after| schedule.next(after, TimeZone::default()));
            assert_eq!(found, expected, "{case}");
        }
    }
}
