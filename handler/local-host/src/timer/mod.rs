//! A timer trigger: runs a function on a schedule.
//!
//! Calls do not overlap: due times during a call lead to one call after it. The host stores when a function was called last and when
//! it is due, and makes up for a call that it missed while it was stopped.

mod schedule_status;
mod status_store;

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;
use tokio::task::JoinHandle;

use self::schedule_status::ScheduleStatus;
pub(crate) use self::status_store::StatusStore;
use crate::app::{Schedule, TimerTrigger};
use crate::invocation::{Deliverer, Delivery, TriggerData};
use crate::newtonsoft::TimeZone;

/// The real host stores the status of a schedule only if its calls are at least so far apart.
const SHORTEST_MONITORED: TimeDelta = TimeDelta::minutes(1);
/// How many calls decide that.
const EXAMINED_CALLS: usize = 5;

/// A running timer.
pub(crate) struct Timer(JoinHandle<()>);

/// Why a function is called.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reason {
    Due(DateTime<Utc>),
    PastDue,
    Startup,
}

impl Timer {
    /// Starts in the background. Ends when the deliverer's token is cancelled.
    pub(crate) fn start(trigger: TimerTrigger, deliverer: Deliverer, zone: TimeZone, store: StatusStore) -> Self {
        Self(tokio::spawn(run(trigger, deliverer, zone, store)))
    }

    pub(crate) async fn stopped(self) {
        if let Err(error) = self.0.await {
            log::error!("a timer ended unexpectedly: {error}");
        }
    }
}

async fn run(trigger: TimerTrigger, deliverer: Deliverer, zone: TimeZone, store: StatusStore) {
    let schedule = &trigger.schedule;
    let start = Utc::now();
    let store = Some(store).filter(|_| trigger.use_monitor && is_monitored(schedule, zone, start));
    let stored = store.as_ref().and_then(StatusStore::read);
    let mut status = ScheduleStatus::at_start(stored, start, |after| schedule.next(after, zone));
    let mut reason = match status.next {
        Some(next) if next < start => Some(Reason::PastDue),
        _ => Some(Reason::Startup).filter(|_| trigger.run_on_startup),
    };
    loop {
        let reason = match reason.take() {
            Some(reason) => reason,
            None => {
                let Some(due) = status.next else {
                    return log::warn!("function {}: the schedule has no further due time", deliverer.function);
                };
                let wait = (due - Utc::now()).to_std().unwrap_or(Duration::ZERO);
                tokio::select! {
                    () = deliverer.stop.cancelled() => return,
                    () = tokio::time::sleep(wait) => Reason::Due(due),
                }
            }
        };
        let now = Utc::now();
        let info = json!({
            "Schedule": {"AdjustForDST": schedule.adjusts_for_summer_time()},
            "ScheduleStatus": store.as_ref().map(|_| status.to_json(zone, now)),
            "IsPastDue": reason == Reason::PastDue,
        });
        // The deliverer logs failures. A failed call is not repeated beyond the retry policy.
        if deliverer.deliver(&TriggerData::from_value(info)).await == Delivery::Stopped {
            return;
        }
        let last = called_at(reason, now);
        status = ScheduleStatus { last: Some(last), next: schedule.next(last, zone) };
        if let Some(store) = &store {
            store.write(&status);
        }
    }
}

/// A due time counts once, even if the clock was set back meanwhile.
fn called_at(reason: Reason, now: DateTime<Utc>) -> DateTime<Utc> {
    match reason {
        Reason::Due(due) => now.max(due),
        Reason::PastDue | Reason::Startup => now,
    }
}

/// Whether the next calls are at least a minute apart.
fn is_monitored(schedule: &Schedule, zone: TimeZone, now: DateTime<Utc>) -> bool {
    let next = |after: &DateTime<Utc>| schedule.next(*after, zone);
    let due: Vec<_> = std::iter::successors(next(&now), next).take(EXAMINED_CALLS).collect();
    due.windows(2).all(|pair| pair[1] - pair[0] >= SHORTEST_MONITORED)
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, Utc};

    use super::{Reason, TimeZone, called_at, is_monitored};
    use crate::app::Schedule;

    fn time(text: &str) -> DateTime<Utc> {
        text.parse().expect("a time")
    }

    /// When a function is due again.
    fn next(due: &str, now: &str) -> Option<DateTime<Utc>> {
        let schedule = Schedule::parse("0 * * * * *").expect("a schedule");
        schedule.next(called_at(Reason::Due(time(due)), time(now)), TimeZone::default())
    }

    #[test]
    fn a_due_time_is_not_repeated_when_the_clock_is_set_back() {
        assert_eq!(next("2026-11-20T10:31:00Z", "2026-11-20T10:30:58Z"), Some(time("2026-11-20T10:32:00Z")));
        assert_eq!(next("2026-11-20T10:31:00Z", "2026-11-20T10:31:00.01Z"), Some(time("2026-11-20T10:32:00Z")));
    }

    #[test]
    fn due_times_before_a_late_call_are_skipped() {
        assert_eq!(next("2026-11-20T10:31:00Z", "2026-11-20T10:33:30Z"), Some(time("2026-11-20T10:34:00Z")));
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
            let parsed = Schedule::parse(schedule).expect("a schedule");
            assert_eq!(is_monitored(&parsed, TimeZone::default(), now), expected, "{schedule}");
        }
    }
}
