//! Traces and logs for a collector of OpenTelemetry, with the feature `otlp`; without it, nothing. Other modules see only this interface, and the
//! crates below know nothing of it.
//!
//! A span has no content, id or key of a document, and no message of an error: these can be personal data.

#[cfg(not(feature = "otlp"))]
mod none;
#[cfg(feature = "otlp")]
mod otlp;

use changefeed_cosmos::Error;
use changefeed_history::{CaptureReport, SweepReport};
use changefeed_jobs::JobState;
use changefeed_operations::Restored;

#[cfg(not(feature = "otlp"))]
pub use self::none::{Invocation, Telemetry, count, failed, in_span, note, request_charge};
#[cfg(feature = "otlp")]
pub use self::otlp::{Invocation, Telemetry, count, failed, in_span, note, request_charge};

/// Does work that can fail within a span.
pub async fn attempt<T, E>(name: &'static str, work: impl Future<Output = Result<T, E>>) -> Result<T, E> {
    in_span(name, async { work.await.inspect_err(|_| failed()) }).await
}

/// Adds the outcome of a batch to the current span; `None` if it failed.
pub fn captured(documents: usize, report: Option<&CaptureReport>) {
    count("changefeed.documents", documents as u64);
    let Some(report) = report else { return failed() };
    count("changefeed.versions.stored", report.stored);
    count("changefeed.versions.already_stored", report.already_stored);
    count("changefeed.dead_letters", report.dead_lettered);
    count("changefeed.erased", report.erased);
    count("changefeed.excluded", report.excluded);
    request_charge(report.request_charge);
}

/// Adds what a sweep of the retention has removed.
pub fn swept(report: &SweepReport) {
    count("changefeed.versions.removed", report.versions);
    request_charge(report.request_charge);
}

/// Adds the state of a job.
pub fn job_state(state: JobState) {
    note("changefeed.job.state", &format!("{state:?}").to_lowercase());
}

/// Restores, or undoes a restore, within a span.
pub async fn restoring(
    name: &'static str,
    work: impl Future<Output = Result<Restored, Error>>,
) -> Result<Restored, Error> {
    let restoring = async {
        let restored = work.await?;
        match &restored {
            Restored::Report(report) => {
                report.id.iter().for_each(|id| note("changefeed.job.id", id));
                job_state(report.state);
                count("changefeed.documents", report.items.len() as u64);
                request_charge(report.request_charge);
            }
            Restored::Job(record) => {
                note("changefeed.job.id", &record.id);
                job_state(record.state);
            }
        }
        Ok(restored)
    };
    attempt(name, restoring).await
}
