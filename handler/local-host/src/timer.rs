//! A timer trigger: runs a function on a schedule.
//!
//! Calls do not overlap: a due time during a call is skipped. The real host stores its schedule and reports missed times;
//! this one starts afresh each time, so `IsPastDue` is always false.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::app::{Schedule, TimerTrigger};
use crate::invocation::Deliverer;
use crate::newtonsoft;

/// A running timer.
pub(crate) struct Timer(JoinHandle<()>);

impl Timer {
    /// Starts in the background. Ends when the deliverer's token is cancelled.
    pub(crate) fn start(trigger: TimerTrigger, deliverer: Deliverer) -> Self {
        Self(tokio::spawn(run(trigger, deliverer)))
    }

    pub(crate) async fn stopped(self) {
        if let Err(error) = self.0.await {
            log::error!("a timer ended unexpectedly: {error}");
        }
    }
}

async fn run(trigger: TimerTrigger, deliverer: Deliverer) {
    let mut last_call = None;
    let mut last_due = None;
    if trigger.run_on_startup {
        call(&trigger, &deliverer, last_call, Utc::now()).await;
        last_call = Some(Utc::now());
    }
    while let Some(due) = next_due(&trigger.schedule, last_due, Utc::now()) {
        let wait = (due - Utc::now()).to_std().unwrap_or(Duration::ZERO);
        tokio::select! {
            () = deliverer.stop.cancelled() => return,
            () = tokio::time::sleep(wait) => {}
        }
        call(&trigger, &deliverer, last_call, due).await;
        last_call = Some(due);
        last_due = Some(due);
    }
    log::warn!("function {}: the schedule has no further due time", deliverer.function);
}

/// A due time counts once, even if the clock was set back meanwhile.
fn next_due(schedule: &Schedule, last_due: Option<DateTime<Utc>>, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    schedule.next(last_due.map_or(now, |last_due| last_due.max(now)))
}

async fn call(trigger: &TimerTrigger, deliverer: &Deliverer, last: Option<DateTime<Utc>>, due: DateTime<Utc>) {
    let next = trigger.schedule.next(due).unwrap_or(due);
    // The deliverer logs failures. A failed call is not repeated beyond the retry policy.
    deliverer.deliver_value(timer_info(last, next)).await;
}

/// The value that the function receives.
fn timer_info(last: Option<DateTime<Utc>>, next: DateTime<Utc>) -> Value {
    let last = last.map_or_else(|| "0001-01-01T00:00:00".to_owned(), newtonsoft::utc);
    let status = json!({"Last": last, "Next": newtonsoft::utc(next), "LastUpdated": last});
    json!({"Schedule": {"AdjustForDST": true}, "ScheduleStatus": status, "IsPastDue": false})
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, Utc};

    use super::next_due;
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
}
