//! A timer trigger: runs a function on a schedule.
//!
//! Calls do not overlap: a due time during a call is skipped. The real host stores its schedule and reports missed times;
//! this one starts afresh each time, so `IsPastDue` is always false.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::app::{Schedule, TimerTrigger};
use crate::invocation::{Deliverer, TriggerData};
use crate::newtonsoft::{self, TimeZone};

/// The real host stores the status of a schedule only if its calls are at least so far apart.
const SHORTEST_MONITORED: TimeDelta = TimeDelta::minutes(1);
/// How many calls decide that.
const EXAMINED_CALLS: usize = 5;

/// A running timer.
pub(crate) struct Timer(JoinHandle<()>);

impl Timer {
    /// Starts in the background. Ends when the deliverer's token is cancelled.
    pub(crate) fn start(trigger: TimerTrigger, deliverer: Deliverer, zone: TimeZone) -> Self {
        Self(tokio::spawn(run(trigger, deliverer, zone)))
    }

    pub(crate) async fn stopped(self) {
        if let Err(error) = self.0.await {
            log::error!("a timer ended unexpectedly: {error}");
        }
    }
}

async fn run(trigger: TimerTrigger, deliverer: Deliverer, zone: TimeZone) {
    let mut last_call = DateTime::<Utc>::MIN_UTC;
    let mut last_due = None;
    let is_monitored = trigger.use_monitor && is_monitored(&trigger.schedule, Utc::now());
    let status = |last, next| is_monitored.then(|| schedule_status(last, next, zone));
    if trigger.run_on_startup {
        let now = Utc::now();
        call(&deliverer, status(last_call, trigger.schedule.next(now).unwrap_or(now))).await;
        last_call = now;
    }
    while let Some(due) = next_due(&trigger.schedule, last_due, Utc::now()) {
        let wait = (due - Utc::now()).to_std().unwrap_or(Duration::ZERO);
        tokio::select! {
            () = deliverer.stop.cancelled() => return,
            () = tokio::time::sleep(wait) => {}
        }
        let now = Utc::now();
        call(&deliverer, status(last_call, due)).await;
        last_call = now;
        last_due = Some(due);
    }
    log::warn!("function {}: the schedule has no further due time", deliverer.function);
}

/// Whether the next calls are at least a minute apart.
fn is_monitored(schedule: &Schedule, now: DateTime<Utc>) -> bool {
    let due: Vec<_> =
        std::iter::successors(schedule.next(now), |due| schedule.next(*due)).take(EXAMINED_CALLS).collect();
    due.windows(2).all(|pair| pair[1] - pair[0] >= SHORTEST_MONITORED)
}

/// A due time counts once, even if the clock was set back meanwhile.
fn next_due(schedule: &Schedule, last_due: Option<DateTime<Utc>>, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    schedule.next(last_due.map_or(now, |last_due| last_due.max(now)))
}

async fn call(deliverer: &Deliverer, status: Option<Value>) {
    let info = json!({"Schedule": {"AdjustForDST": true}, "ScheduleStatus": status, "IsPastDue": false});
    // The deliverer logs failures. A failed call is not repeated beyond the retry policy.
    deliverer.deliver(&TriggerData::from_value(info)).await;
}

/// What the host has stored before a call: when the function was called last, and when it is due.
fn schedule_status(last: DateTime<Utc>, next: DateTime<Utc>, zone: TimeZone) -> Value {
    let last = newtonsoft::local(last, zone);
    json!({"Last": last, "Next": newtonsoft::local(next, zone), "LastUpdated": last})
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, Utc};

    use super::{TimeZone, is_monitored, next_due, schedule_status};
    use crate::app::Schedule;

    fn time(text: &str) -> DateTime<Utc> {
        text.parse().expect("a time")
    }

    #[test]
    fn a_due_time_is_not_repeated_when_the_clock_is_set_back() {
        let schedule = Schedule::parse("0 * * * * *").expect("a schedule");
        let due = time("2026-11-20T10:31:00Z");
        assert_eq!(next_due(&schedule, None, time("2026-11-20T10:30:59Z")), Some(due));
        let next = next_due(&schedule, Some(due), time("2026-11-20T10:30:58Z"));
        assert_eq!(next, Some(time("2026-11-20T10:32:00Z")));
    }

    #[test]
    fn due_times_during_a_call_are_skipped() {
        let schedule = Schedule::parse("0 * * * * *").expect("a schedule");
        let next = next_due(&schedule, Some(time("2026-11-20T10:31:00Z")), time("2026-11-20T10:33:30Z"));
        assert_eq!(next, Some(time("2026-11-20T10:34:00Z")));
    }

    #[test]
    fn the_status_has_the_last_call_and_the_one_that_is_due() {
        let due = time("2026-11-20T10:31:00Z");
        let first = schedule_status(DateTime::<Utc>::MIN_UTC, due, TimeZone::default());
        assert_eq!(
            first.to_string(),
            r#"{"Last":"0001-01-01T00:00:00+00:00","Next":"2026-11-20T10:31:00+00:00","LastUpdated":"0001-01-01T00:00:00+00:00"}"#
        );
        let second = schedule_status(time("2026-11-20T10:31:00.0039424Z"), due, TimeZone::default());
        assert_eq!(second["Last"], "2026-11-20T10:31:00.0039424+00:00");
    }

    #[test]
    fn a_schedule_with_calls_less_than_a_minute_apart_has_no_status() {
        let now = time("2026-11-20T10:30:00Z");
        for (schedule, expected) in [
            ("0 * * * * *", true),
            ("*/5 * * * * *", false),
            ("00:00:59", false),
            ("00:01:00", true),
            ("0,30 0 0 1 1 *", false),
        ] {
            assert_eq!(is_monitored(&Schedule::parse(schedule).expect("a schedule"), now), expected, "{schedule}");
        }
    }
}
