//! Slices of jobs, for whatever brings the changes of the jobs container.

use std::collections::BTreeSet;
use std::time::Duration;

use changefeed_cosmos::Error;
use changefeed_jobs::SliceEnd;
use changefeed_operations::Changefeed;
use futures::{FutureExt, StreamExt};

/// The name of this machine.
pub fn host() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    host.trim().to_owned()
}

/// The name of this process in claims.
pub fn runner() -> String {
    format!("{}:{}", host(), std::process::id())
}

/// Jobs that are worked on side by side.
const PARALLEL: usize = 4;
/// The least time for each.
const LEAST_SLICE: Duration = Duration::from_secs(2);

/// Works on these jobs, some side by side, for about a slice in all or until `stop`. What is said of them. One whose slice
/// failed is rested, and comes again by itself: it does not hold up those that come after it.
///
/// # Errors
/// The first that could not be claimed or saved, after the others have ended: the jobs must be brought again.
pub async fn run_jobs(
    store: &Changefeed,
    ids: BTreeSet<String>,
    stop: impl Future<Output = ()> + Send,
) -> Result<Vec<String>, Error> {
    let runner = runner();
    let stop = stop.shared();
    let rounds = u32::try_from(ids.len().div_ceil(PARALLEL)).unwrap_or(u32::MAX).max(1);
    let slice_duration = (store.runner.slice_duration() / rounds).max(LEAST_SLICE);
    let slice = |id: String| {
        let (runner, stop) = (&runner, stop.clone());
        async move {
            let sleep = async |duration| {
                tokio::select! {
                    () = tokio::time::sleep(duration) => {}
                    () = stop.clone() => {}
                }
            };
            Ok(match store.runner.run_slice(&id, runner, sleep(slice_duration)).await? {
                SliceEnd::Ended(state) => format!("job {id}: {}", format!("{state:?}").to_lowercase()),
                SliceEnd::More => format!("job {id}: there is more to do"),
                SliceEnd::Failing { failures, message } => {
                    log::warn!("job {id} has failed, {failures} times in a row, and will be tried again: {message}");
                    sleep(pause_after(failures).min(slice_duration)).await;
                    format!("job {id}: will be tried again: {message}")
                }
                SliceEnd::Busy => format!("job {id}: somebody else works on it"),
                SliceEnd::NoJob => format!("job {id}: there is none"),
            })
        }
    };
    let ends: Vec<Result<String, Error>> =
        futures::stream::iter(ids).map(slice).buffer_unordered(PARALLEL).collect().await;
    ends.into_iter().collect()
}

/// How long a job rests that has failed so many times in a row.
fn pause_after(failures: u32) -> Duration {
    Duration::from_secs(1) * 2_u32.saturating_pow(failures.saturating_sub(1))
}
