//! A job as it is stored in the jobs container. `docs/format.md` specifies it.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::state::JobState;
use crate::cosmos::{Error, ErrorKind, Key};
use crate::store::{Role, Store};
use crate::version::{timestamp, without_system_properties};

/// A job of any kind. What only its kind knows is among the `other` properties.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Job {
    /// The job's id.
    pub id: String,
    /// What is to be done: [`JobKind`](super::JobKind).
    pub kind: String,
    /// How far it is.
    pub state: JobState,
    /// When it was asked for, RFC 3339 in UTC.
    pub started_at: String,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub finished_at: Option<String>,
    /// What came of it so far; each kind has its own.
    #[serde(default)]
    pub counts: Value,
    /// Request units of everything that it did so far.
    #[serde(default)]
    pub request_charge: f64,
    /// How far the work is.
    pub job: Work,
    /// Everything else.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// How far the work of a job is, and who is doing it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Work {
    /// Where to go on, as the kind writes it; nothing before the first slice and after the last.
    #[serde(skip_serializing_if = "Value::is_null")]
    pub cursor: Value,
    /// Who is doing it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub claim: Option<Claim>,
    /// Items that were looked at.
    pub done: u64,
    /// Items that are to be looked at, as far as that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total: Option<u64>,
    /// Items looked at in a second, lately.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate_per_second: Option<f64>,
    /// Times that somebody worked on it.
    pub slices: u64,
    /// The second since 1970, by the service's clock, at which it began: what was recorded later does not decide by which
    /// version it meets a document. Absent where nothing depends on that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub begun_second: Option<i64>,
    /// The most request units to use in a second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ru_per_second: Option<f64>,
    /// Until when what was used is within that, in seconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub paid_until: Option<f64>,
    /// The only machine that can do it: it has files there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub only_on: Option<String>,
    /// Whether it is to end.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub cancel: bool,
    /// Slices in a row that failed without getting anywhere.
    #[serde(skip_serializing_if = "is_zero")]
    pub failures: u32,
    /// Why the last slice failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// When it was last saved.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub updated_at: String,
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// A runner's claim of a job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Claim {
    /// The runner.
    pub by: String,
    /// When others may take it over, RFC 3339 in UTC.
    pub until: String,
}

/// How far a job is, for people.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct JobProgress {
    /// Items that were looked at.
    pub done: u64,
    /// Items that are to be looked at, as far as that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total: Option<u64>,
    /// Items looked at in a second, lately.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate_per_second: Option<f64>,
    /// How long it may still take.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seconds_left: Option<u64>,
    /// What is being done, as the kind of job names it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phase: Option<String>,
    /// Who is doing it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runner: Option<String>,
    /// Whether it is to end.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub cancelling: bool,
    /// Why the last slice failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

impl Work {
    /// Whether somebody has claimed the job and lives, as far as the claim tells.
    pub fn is_claimed(&self, now: DateTime<Utc>) -> bool {
        let until = self.claim.as_ref().and_then(|claim| DateTime::parse_from_rfc3339(&claim.until).ok());
        until.is_some_and(|until| until > now)
    }

    /// The same for people.
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
        }
    }
}

/// A job as it was read, and its etag.
pub(super) struct Read {
    pub job: Job,
    pub etag: String,
}

impl Store {
    /// A job of any kind.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when there is no such job, and when the jobs container cannot be read.
    pub async fn job(&self, id: &str) -> Result<Job, Error> {
        let missing = || Error::new(ErrorKind::NotFound, format!("reading job {id}"), "there is no such job");
        self.read_job(id).await?.map(|read| read.job).ok_or_else(missing)
    }

    /// A job; `None` when there is none, and when the item is something else.
    pub(super) async fn read_job(&self, id: &str) -> Result<Option<Read>, Error> {
        let record = self.container(Role::Jobs).await?.read(&Key::text(id), id).await?;
        let Some(record) = record.filter(|record| record["job"].is_object()) else { return Ok(None) };
        let etag = record["_etag"].as_str().unwrap_or_default().to_owned();
        let job = serde_json::from_value(without_system_properties(record))
            .map_err(|error| Error::invalid(format!("reading job {id}"), error.to_string()))?;
        Ok(Some(Read { job, etag }))
    }

    /// Saves a job that still has this etag; its new one.
    pub(super) async fn replace_job(&self, job: &Job, etag: &str) -> Result<String, Error> {
        let body = serde_json::to_value(job)
            .map_err(|error| Error::invalid(format!("saving job {}", job.id), error.to_string()))?;
        let jobs = self.container(Role::Jobs).await?;
        let written = jobs.replace(&Key::text(&job.id), &job.id, &body, etag).await?;
        Ok(written.etag.unwrap_or_default())
    }
}

/// The id of the job that a changed item of the jobs container is, if there is anything to do for it. What only one machine
/// can do is left to the command line there.
pub fn job_to_run(item: &Value) -> Option<&str> {
    let state = JobState::deserialize(&item["state"]).ok()?;
    let is_for_all = item["job"].is_object() && item["job"].get("onlyOn").is_none();
    item["id"].as_str().filter(|_| is_for_all && !state.is_end())
}

/// A new id, that sorts by time.
pub(crate) fn new_id(now: DateTime<Utc>) -> String {
    format!("{:010}-{:08x}", now.timestamp(), rand::random::<u32>())
}

impl Job {
    /// The second since 1970 that it was asked for.
    pub(super) fn second(&self) -> i64 {
        DateTime::parse_from_rfc3339(&self.started_at).map_or(0, |time| time.timestamp())
    }

    pub(super) fn end(&mut self, state: JobState, now: DateTime<Utc>) {
        self.state = state;
        self.finished_at = Some(timestamp(now));
        self.job.claim = None;
        self.job.rate_per_second = None;
        if !matches!(state, JobState::Failed | JobState::Cancelled) {
            // Versions that are after the target, say, were counted and not looked at.
            self.job.total = self.job.total.map(|_| self.job.done);
        }
        if state != JobState::Failed {
            self.job.cursor = Value::Null;
        }
    }
}
