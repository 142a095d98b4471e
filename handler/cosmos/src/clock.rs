//! The clock by which leases and claims are renewed and expire. Tests pass in a clock that they advance themselves, so that they
//! need not wait.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::sync::oneshot;
use tokio::time::Instant;

/// The source of time and of delays; the system clock by default.
#[derive(Clone, Debug, Default)]
pub struct Clock(Source);

#[derive(Clone, Debug, Default)]
enum Source {
    #[default]
    System,
    /// It showed this time at this instant of the runtime's clock.
    Runtime(DateTime<Utc>, Instant),
    Manual(ManualClock),
}

impl Clock {
    /// A clock that shows `now`, and advances with the clock of the runtime: a simulation pauses that one.
    pub fn of_runtime(now: DateTime<Utc>) -> Self {
        Self(Source::Runtime(now, Instant::now()))
    }

    /// The current time.
    pub fn now(&self) -> DateTime<Utc> {
        match &self.0 {
            Source::System => Utc::now(),
            Source::Runtime(start, since) => later(*start, since.elapsed()),
            Source::Manual(manual) => manual.lock().now,
        }
    }

    /// Waits this long.
    pub async fn sleep(&self, duration: Duration) {
        match &self.0 {
            Source::System | Source::Runtime(..) => tokio::time::sleep(duration).await,
            Source::Manual(manual) => manual.sleep(duration).await,
        }
    }
}

impl From<&ManualClock> for Clock {
    fn from(manual: &ManualClock) -> Self {
        Self(Source::Manual(manual.clone()))
    }
}

/// A clock that stands still until it is advanced.
#[derive(Clone, Debug)]
pub struct ManualClock(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    now: DateTime<Utc>,
    sleepers: Vec<(DateTime<Utc>, oneshot::Sender<()>)>,
}

impl ManualClock {
    /// A clock that shows `now`.
    pub fn new(now: DateTime<Utc>) -> Self {
        Self(Arc::new(Mutex::new(State { now, sleepers: Vec::new() })))
    }

    /// Advances the clock and wakes the tasks whose delay is over.
    pub fn advance(&self, duration: Duration) {
        let mut state = self.lock();
        state.now = later(state.now, duration);
        let now = state.now;
        for (_, wake) in state.sleepers.extract_if(.., |(until, _)| *until <= now) {
            // The receiver is gone when the task was cancelled.
            let _ = wake.send(());
        }
    }

    /// The wake-up times of the tasks that sleep by this clock. An idle instance sleeps, so a test can wait for it
    /// here.
    pub fn sleepers(&self) -> Vec<DateTime<Utc>> {
        let mut state = self.lock();
        state.sleepers.retain(|(_, wake)| !wake.is_closed());
        state.sleepers.iter().map(|(until, _)| *until).collect()
    }

    async fn sleep(&self, duration: Duration) {
        let (wake, woken) = oneshot::channel();
        {
            let mut state = self.lock();
            let until = later(state.now, duration);
            if until <= state.now {
                return;
            }
            state.sleepers.push((until, wake));
        }
        // The sender cannot be dropped unsent: `self` keeps the clock alive.
        let _ = woken.await;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// `time` plus `duration`, or the latest time on overflow.
pub fn later(time: DateTime<Utc>, duration: Duration) -> DateTime<Utc> {
    let duration = chrono::Duration::from_std(duration).unwrap_or(chrono::Duration::MAX);
    time.checked_add_signed(duration).unwrap_or(DateTime::<Utc>::MAX_UTC)
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;

    #[tokio::test]
    async fn a_sleeping_task_wakes_when_the_clock_has_advanced_far_enough() {
        let manual = ManualClock::new(DateTime::UNIX_EPOCH);
        let clock = Clock::from(&manual);
        let mut sleeps = Box::pin(clock.sleep(Duration::from_secs(13)));
        assert_eq!(sleeps.as_mut().now_or_never(), None);
        manual.advance(Duration::from_secs(12));
        assert_eq!(sleeps.as_mut().now_or_never(), None);
        assert_eq!(manual.sleepers(), [DateTime::UNIX_EPOCH + chrono::Duration::seconds(13)]);
        manual.advance(Duration::from_secs(1));
        assert_eq!(sleeps.now_or_never(), Some(()));
        assert_eq!((clock.now().timestamp(), manual.sleepers().len()), (13, 0));
    }

    #[tokio::test]
    async fn a_cancelled_sleep_is_removed_and_no_duration_is_too_long() {
        let manual = ManualClock::new(DateTime::UNIX_EPOCH);
        let clock = Clock::from(&manual);
        assert_eq!(clock.sleep(Duration::MAX).now_or_never(), None);
        assert!(manual.sleepers().is_empty());
        assert_eq!(clock.sleep(Duration::ZERO).now_or_never(), Some(()));
    }
}
