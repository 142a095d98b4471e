//! A timer trigger: has a function run when its schedule says so.
//!
//! One call at a time: what comes due while the function runs is left out. The real host keeps its schedule in storage and
//! tells of a time that it missed; this one begins anew with every start, and nothing is ever past due.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::app::TimerTrigger;
use crate::invocation::Deliverer;
use crate::newtonsoft;

/// A timer at work.
pub(crate) struct Timer(JoinHandle<()>);

impl Timer {
    /// Starts in the background. Ends when the deliverer's token says so.
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
    let mut last = None;
    if trigger.run_on_startup {
        fire(&trigger, &deliverer, last, Utc::now()).await;
        last = Some(Utc::now());
    }
    while let Some(due) = trigger.schedule.next(Utc::now()) {
        let wait = (due - Utc::now()).to_std().unwrap_or(Duration::ZERO);
        tokio::select! {
            () = deliverer.stop.cancelled() => return,
            () = tokio::time::sleep(wait) => {}
        }
        fire(&trigger, &deliverer, last, due).await;
        last = Some(due);
    }
    log::warn!("the schedule of function {} never comes due", deliverer.function);
}

async fn fire(trigger: &TimerTrigger, deliverer: &Deliverer, last: Option<DateTime<Utc>>, due: DateTime<Utc>) {
    let next = trigger.schedule.next(due).unwrap_or(due);
    deliverer.fire(info(last, next)).await;
}

/// What the function is told.
fn info(last: Option<DateTime<Utc>>, next: DateTime<Utc>) -> Value {
    let last = last.map_or_else(|| "0001-01-01T00:00:00".to_owned(), newtonsoft::utc);
    let status = json!({"Last": last, "Next": newtonsoft::utc(next), "LastUpdated": last});
    json!({"Schedule": {"AdjustForDST": true}, "ScheduleStatus": status, "IsPastDue": false})
}
