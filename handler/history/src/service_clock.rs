//! The clock of the service, by which versions are ordered and expire.
//!
//! The clock of this machine can be wrong by days. Where a wrong time would delete a version, or would be stored as the time of
//! one, the time comes from the service: it is the `_ts` of an item that is written for this purpose.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use changefeed_cosmos::{Error, ErrorKind, Key, LazyContainer, retry};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;
use tokio::time::Instant;

use crate::version::SCHEMA;

/// The id and the kind of the item, which is in the jobs container.
const ID: &str = "clock";
/// For how long a measured difference is used. A machine's clock drifts by less than a second in this time.
const MAX_AGE: Duration = Duration::from_secs(10 * 60);
/// The difference up to which the clock of this machine counts as right.
const MAX_DIFFERENCE: TimeDelta = TimeDelta::minutes(5);
/// By how many seconds a measured time may be behind.
const MAX_LAG_SECONDS: i64 = 2;
/// A measurement that takes longer is repeated, up to so many times: the time that it returns may be that much behind.
const LONG_MEASUREMENT: Duration = Duration::from_secs(1);
const MEASUREMENTS: usize = 5;
/// How long transient failures are retried.
const TIMEOUT: Duration = Duration::from_secs(30);

/// A time by the clock of the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ServiceTime(DateTime<Utc>);

impl ServiceTime {
    /// A time that was received from the service, see [`ServiceClock`]. The clock of this machine is not one.
    pub fn new(time: DateTime<Utc>) -> Self {
        Self(time)
    }

    /// The time.
    pub fn time(self) -> DateTime<Utc> {
        self.0
    }
}

/// Reads the clock of the service. Clones share what was measured.
#[derive(Clone, Debug)]
pub struct ServiceClock {
    jobs: LazyContainer,
    measured: Arc<Mutex<Option<Measured>>>,
    /// Held while the clock is measured, so that concurrent callers share a measurement.
    measuring: Arc<tokio::sync::Mutex<()>>,
}

#[derive(Clone, Copy, Debug)]
struct Measured {
    time: DateTime<Utc>,
    at: Instant,
}

impl Measured {
    /// The current time, or a little less: the service reports whole seconds, and the reply takes time.
    fn now(self) -> ServiceTime {
        ServiceTime(self.time + self.at.elapsed())
    }
}

impl ServiceClock {
    pub(crate) fn new(jobs: LazyContainer) -> Self {
        Self { jobs, measured: Arc::default(), measuring: Arc::default() }
    }

    /// The time now. It is at most two seconds behind, or, on a network on which no measurement takes less than a second, a second and
    /// the shortest measurement; and it is never ahead. It is measured at most every ten minutes.
    ///
    /// # Errors
    /// When the jobs container cannot be written.
    pub async fn now(&self) -> Result<ServiceTime, Error> {
        match self.known().filter(|measured| measured.at.elapsed() < MAX_AGE) {
            Some(measured) => Ok(measured.now()),
            None => Ok(self.measure().await?.now()),
        }
    }

    fn known(&self) -> Option<Measured> {
        *self.measured.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The current second since 1970, as [`now`](Self::now).
    ///
    /// # Errors
    /// When the jobs container cannot be written.
    pub async fn second(&self) -> Result<i64, Error> {
        Ok(self.now().await?.0.timestamp())
    }

    /// Whether a second is over: no write from now on has it as its time. A second that is over within two seconds is waited for,
    /// because this clock may be that much behind.
    ///
    /// # Errors
    /// When the jobs container cannot be written.
    pub async fn is_over(&self, second: i64) -> Result<bool, Error> {
        let left = second - self.second().await?;
        if (0..=MAX_LAG_SECONDS).contains(&left) {
            tokio::time::sleep(Duration::from_secs(left.unsigned_abs() + 1)).await;
        }
        Ok(second < self.second().await?)
    }

    /// The time now, if `local`, the clock of this machine, agrees with it to within five minutes.
    ///
    /// # Errors
    /// When the two differ by more, and when the jobs container cannot be written.
    pub async fn now_if_local_agrees(&self, local: impl Fn() -> DateTime<Utc>) -> Result<ServiceTime, Error> {
        let time = self.measure().await?.now();
        let ahead = local() - time.0;
        if ahead.abs() <= MAX_DIFFERENCE {
            return Ok(time);
        }
        let direction = if ahead > TimeDelta::zero() { "ahead of" } else { "behind" };
        let message = format!(
            "the clock of this machine is {} minutes {direction} the clock of the service; set the clock, \
             and try again",
            ahead.num_minutes().abs()
        );
        Err(Error::new(ErrorKind::Internal, "reading the clock", message))
    }

    /// Measures the clock, or waits for the measurement of another caller.
    async fn measure(&self) -> Result<Measured, Error> {
        let called = Instant::now();
        let _one_at_a_time = self.measuring.lock().await;
        if let Some(measured) = self.known().filter(|measured| measured.at >= called) {
            return Ok(measured);
        }
        let deadline = called + TIMEOUT;
        let mut began = Instant::now();
        let mut best = self.write_and_read(deadline).await?;
        for _ in 1..MEASUREMENTS {
            if began.elapsed() <= LONG_MEASUREMENT {
                break;
            }
            began = Instant::now();
            let Ok(measured) = self.write_and_read(deadline).await else { break };
            if best.now() < measured.now() {
                best = measured;
            }
        }
        *self.measured.lock().unwrap_or_else(PoisonError::into_inner) = Some(best);
        Ok(best)
    }

    async fn write_and_read(&self, deadline: Instant) -> Result<Measured, Error> {
        let jobs = self.jobs.open().await?;
        let id = jobs.own_id(ID);
        let key = Key::text(&id);
        let item = json!({"id": ID, "kind": ID, "schema": SCHEMA});
        retry(deadline, || jobs.upsert(&key, &id, &item)).await?;
        let stored = retry(deadline, || jobs.read(&key, &id)).await?;
        let time = stored
            .as_ref()
            .and_then(|item| item["_ts"].as_i64())
            .and_then(|second| DateTime::from_timestamp(second, 0));
        let time = time.ok_or_else(|| Error::corrupt("reading the clock of the service", "the item has no _ts"))?;
        Ok(Measured { time, at: Instant::now() })
    }
}
