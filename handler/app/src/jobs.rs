//! Runs slices of the jobs whose changes were delivered, by the Functions host or by the processor.

use std::collections::BTreeSet;
use std::time::Duration;

use changefeed_cosmos::{Error, pause_before_retry};
use changefeed_jobs::{JobRunner, JobToRun, SliceEnd};
use futures::{FutureExt, StreamExt};

use crate::telemetry;

/// The name of this machine.
pub fn host() -> String {
    gethostname::gethostname().to_string_lossy().trim().to_owned()
}

/// The name of this process in claims of jobs.
pub fn worker() -> String {
    format!("{}:{}", host(), std::process::id())
}

/// Jobs that run concurrently.
const PARALLEL: usize = 4;
/// Minimum duration of a slice.
const MIN_SLICE_DURATION: Duration = Duration::from_secs(2);

/// Runs one slice of each job, some concurrently, for about the duration of one slice in total or until `stop`. Returns a
/// log line for each job. A job whose slice failed pauses and is delivered again, so it does not delay later jobs.
///
/// # Errors
/// The first job that could not be claimed or saved, after the others have ended. The jobs must be delivered again.
pub async fn run_jobs(
    runner: &JobRunner,
    jobs: BTreeSet<JobToRun>,
    stop: impl Future<Output = ()> + Send,
) -> Result<Vec<String>, Error> {
    let stop = stop.shared();
    let rounds = u32::try_from(jobs.len().div_ceil(PARALLEL)).unwrap_or(u32::MAX).max(1);
    let slice_duration = (runner.slice_duration() / rounds).max(MIN_SLICE_DURATION);
    let slice = |job: JobToRun| {
        let stop = stop.clone();
        async move {
            let sleep = async |duration| {
                tokio::select! {
                    () = tokio::time::sleep(duration) => {}
                    () = stop.clone() => {}
                }
            };
            let id = &job.id;
            Ok(match run_slice(runner, &job, sleep(slice_duration)).await? {
                SliceEnd::Ended(state) => format!("job {id}: {}", format!("{state:?}").to_lowercase()),
                SliceEnd::More => format!("job {id}: continues with the next slice"),
                SliceEnd::Failing { failures, message } => {
                    log::warn!("job {id} failed, {failures} times in a row, and is retried: {message}");
                    sleep(pause_after(failures, slice_duration)).await;
                    format!("job {id}: failed and is retried: {message}")
                }
                SliceEnd::Waiting => format!("job {id}: waits for its portions"),
                SliceEnd::Busy => format!("job {id}: another worker holds this job"),
                SliceEnd::NoJob => format!("job {id}: not found"),
            })
        }
    };
    let ends: Vec<Result<String, Error>> =
        futures::stream::iter(jobs).map(slice).buffer_unordered(PARALLEL).collect().await;
    ends.into_iter().collect()
}

/// Runs one slice of a job, within a span.
///
/// # Errors
/// As [`JobRunner::run_slice`].
pub async fn run_slice(
    runner: &JobRunner,
    job: &JobToRun,
    until: impl Future<Output = ()> + Send,
) -> Result<SliceEnd, Error> {
    let slice = async {
        telemetry::note("changefeed.job.id", &job.id);
        telemetry::note("changefeed.job.kind", &job.kind);
        let end = runner.run_slice(&job.id, &worker(), until).await;
        match &end {
            Ok(SliceEnd::Ended(state)) => telemetry::job_state(*state),
            Ok(SliceEnd::More | SliceEnd::Waiting | SliceEnd::Busy | SliceEnd::NoJob) => {}
            Ok(SliceEnd::Failing { .. }) | Err(_) => telemetry::failed(),
        }
        end
    };
    telemetry::in_span("job slice", slice).await
}

/// How long a job pauses after so many consecutive failures. The pauses of jobs that failed together differ.
fn pause_after(failures: u32, slice_duration: Duration) -> Duration {
    let backoff = Duration::from_secs(1) * 2_u32.saturating_pow(failures.saturating_sub(1));
    pause_before_retry(backoff.min(slice_duration), None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pause_after_a_failure_doubles_up_to_a_slice_and_has_jitter() {
        let slice = Duration::from_secs(50);
        for (failures, most) in [(1, 1), (2, 2), (5, 16), (7, 50), (u32::MAX, 50)] {
            let pauses: BTreeSet<Duration> = (0..20).map(|_| pause_after(failures, slice)).collect();
            let most = Duration::from_secs(most);
            assert!(pauses.iter().all(|pause| (most / 2..=most).contains(pause)), "{failures}: {pauses:?}");
            assert!(pauses.len() > 10, "{failures}: {pauses:?}");
        }
    }

    #[test]
    fn a_worker_has_the_name_of_its_machine() {
        let host = host();
        assert!(!host.is_empty() && host == host.trim(), "{host:?}");
        assert_eq!(worker(), format!("{host}:{}", std::process::id()));
        #[cfg(target_os = "linux")]
        assert_eq!(host, std::fs::read_to_string("/proc/sys/kernel/hostname").expect("a name").trim());
    }
}
