//! A job as it is stored in the jobs container. `docs/reference/format.md` specifies it.

use changefeed_cosmos::{SourceName, check_record_id, random_u32, timestamp};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::budget::Budget;
use crate::portion::Portion;
use crate::state::JobState;

/// A job of any kind. The properties that only its kind knows are in `other`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Job {
    /// The job's id.
    pub id: String,
    /// What it does: the name of a [`Kind`](crate::Kind).
    pub kind: String,
    /// Its state.
    pub state: JobState,
    /// When it was requested, RFC 3339 in UTC.
    pub started_at: String,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub finished_at: Option<String>,
    /// The counts so far; each kind has its own.
    #[serde(default)]
    pub counts: Value,
    /// Request units of all of its requests so far.
    #[serde(default)]
    pub request_charge: f64,
    /// The state of the work.
    pub job: Work,
    /// Everything else.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// The state of a job's work, and the worker that has claimed it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Work {
    /// Where the next slice starts, as the kind writes it; null before the first slice and after the last.
    #[serde(skip_serializing_if = "Value::is_null")]
    pub cursor: Value,
    /// The worker that has claimed it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub claim: Option<Claim>,
    /// Items that were processed.
    pub done: u64,
    /// Items to process, if that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total: Option<u64>,
    /// Items processed in a second, recently.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate_per_second: Option<f64>,
    /// Slices that were started.
    pub slices: u64,
    /// The second since 1970, by the service's clock, at which it began. Versions that were recorded later do not decide which
    /// version represents a document. Absent where nothing depends on that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub begun_second: Option<i64>,
    /// The budget: request units in a second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ru_per_second: Option<f64>,
    /// The provisioned throughput that the budget is a share of, if the request names no budget.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub share_of: Option<u64>,
    /// Until when past use is within the budget, in seconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub paid_until: Option<f64>,
    /// The only machine that can run it, because its files are there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub only_on: Option<String>,
    /// Whether it is being cancelled.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub cancel: bool,
    /// Consecutive slices that failed without progress.
    #[serde(skip_serializing_if = "is_zero")]
    pub failures: u32,
    /// Why the last slice failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// The portions among which its phase is divided; empty if one worker does all of it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub portions: Vec<Portion>,
    /// When it was last saved.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub updated_at: String,
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// A worker's claim of a job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Claim {
    /// The worker.
    pub by: String,
    /// When other workers may take it over, RFC 3339 in UTC.
    pub until: String,
}

/// The progress of a job, for display.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct JobProgress {
    /// Items that were processed.
    pub done: u64,
    /// Items to process, if that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total: Option<u64>,
    /// Items processed in a second, recently.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate_per_second: Option<f64>,
    /// The estimated time left.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seconds_left: Option<u64>,
    /// The phase of the work, as the kind names it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phase: Option<String>,
    /// The worker that has claimed it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runner: Option<String>,
    /// Whether it is being cancelled.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub cancelling: bool,
    /// Why the last slice failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// The budget: request units in a second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ru_per_second: Option<f64>,
    /// The provisioned throughput that the budget is a share of, if the request names no budget.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub share_of: Option<u64>,
}

impl Work {
    /// The work of a job that no worker has claimed yet.
    pub fn queued(budget: Budget, now: DateTime<Utc>) -> Self {
        let Budget { ru_per_second, share_of } = budget;
        Self { ru_per_second, share_of, updated_at: timestamp(now), ..Self::default() }
    }

    /// Its budget.
    pub fn budget(&self) -> Budget {
        Budget { ru_per_second: self.ru_per_second, share_of: self.share_of }
    }

    /// Whether a worker has claimed the job and the claim has not expired.
    pub fn is_claimed(&self, now: DateTime<Utc>) -> bool {
        let until = self.claim.as_ref().and_then(|claim| DateTime::parse_from_rfc3339(&claim.until).ok());
        until.is_some_and(|until| until > now)
    }

    /// The progress, for display.
    pub fn progress(&self) -> JobProgress {
        let left = self.total.map(|total| total.saturating_sub(self.done) as f64);
        let rate = self.rate_per_second.filter(|rate| *rate > 0.0 && self.claim.is_some());
        JobProgress {
            done: self.done,
            total: self.total,
            rate_per_second: rate,
            seconds_left: left.zip(rate).map(|(left, rate)| (left / rate).ceil() as u64),
            phase: self.cursor["phase"].as_str().map(str::to_owned),
            runner: self.claim.as_ref().map(|claim| claim.by.clone()),
            cancelling: self.cancel,
            message: self.message.clone(),
            ru_per_second: self.ru_per_second,
            share_of: self.share_of,
        }
    }
}

/// A job as it was read, and its etag.
pub(crate) struct Read {
    pub job: Job,
    pub etag: String,
}

/// A job with work left.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct JobToRun {
    /// Its id.
    pub id: String,
    /// The name of its kind.
    pub kind: String,
    /// The source whose job it is.
    pub source: SourceName,
}

/// The job in a changed item of the jobs container, if it has work left. A job that only one machine can run is left
/// to the command line there. A job that waits for its portions changes again when one of them ends. An item whose id no job can
/// have is not a job, and must not hold up those that are.
pub fn job_to_run(item: &Value) -> Option<JobToRun> {
    let state = JobState::deserialize(&item["state"]).ok()?;
    let is_for_all = item["job"].is_object() && item["job"].get("onlyOn").is_none();
    let id = item["id"].as_str().filter(|id| check_record_id("job", id).is_ok());
    let is_waiting = || Work::deserialize(&item["job"]).is_ok_and(|work| work.is_waiting());
    let id = id.filter(|_| is_for_all && !state.is_end() && !is_waiting())?;
    let source = SourceName::of_item(item).ok()?;
    Some(JobToRun { id: id.to_owned(), kind: item["kind"].as_str().unwrap_or_default().to_owned(), source })
}

/// A new id. Ids sort by time.
pub fn new_id(now: DateTime<Utc>) -> String {
    format!("{:010}-{:08x}", now.timestamp(), random_u32())
}

/// The second since 1970 at which an id was made; 0 if [`new_id`] did not make it.
pub fn second_of_id(id: &str) -> i64 {
    id.split('-').next().and_then(|second| second.parse().ok()).unwrap_or_default()
}

impl Job {
    /// The second since 1970 at which it was requested.
    pub(crate) fn second(&self) -> i64 {
        DateTime::parse_from_rfc3339(&self.started_at).map_or(0, |time| time.timestamp())
    }

    pub(crate) fn end(&mut self, state: JobState, now: DateTime<Utc>) {
        self.expire_portion();
        self.state = state;
        self.finished_at = Some(timestamp(now));
        self.job.claim = None;
        self.job.rate_per_second = None;
        if !matches!(state, JobState::Failed | JobState::Cancelled) {
            // Some of the expected items may not have needed processing: versions after the target, for example.
            self.job.total = self.job.total.map(|_| self.job.done);
        }
        if state != JobState::Failed {
            self.job.cursor = Value::Null;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_item_is_run_if_it_has_the_id_of_a_job_and_work_left() {
        let item = |id: &str, state: &str| json!({"id": id, "kind": "verify", "state": state, "job": {}});
        let (id, kind, source) = ("1764267000-0a1b2c3d".to_owned(), "verify".to_owned(), SourceName::default());
        let job = JobToRun { id, kind, source };
        assert_eq!(job_to_run(&item(&job.id, "queued")).as_ref(), Some(&job));
        let mut of_orders = item(&job.id, "queued");
        of_orders["source"] = json!("orders");
        assert_eq!(job_to_run(&of_orders), Some(JobToRun { source: "orders".parse().expect("a name"), ..job }));
        assert_eq!(job_to_run(&item("1764267000-0a1b2c3d", "done")), None);
        let mut divided = item("1764267000-0a1b2c3d", "running");
        let portion = |state: &str| json!({"id": "1764267000-0a1b2c3d-portion-1", "state": state});
        for (states, is_run) in [(["new", "created"], true), (["created", "done"], false), (["failed", "done"], true)] {
            divided["job"] = json!({"portions": states.map(portion)});
            assert_eq!(job_to_run(&divided).is_some(), is_run, "{states:?}");
        }
        for id in ["..", "a/b", "a\tb", ""] {
            assert_eq!(job_to_run(&item(id, "queued")), None, "{id:?}");
        }
    }
}
