//! A request to write digests, and the job that it creates.

use std::ops::RangeInclusive;

use changefeed_cosmos::{Error, timestamp};
use changefeed_history::SCHEMA;
use changefeed_jobs::{Job, JobState, Work, check_budget, new_id};
use serde::{Deserialize, Serialize};
use serde_json::{Map, json};

use super::all::{DIGEST, Digests};
use super::digest_record::{DigestView, LISTED_FIELDS};

/// The default grace time, in seconds: for clocks of the service that differ.
const GRACE_SECONDS: u32 = 900;
/// The grace times that are allowed, in seconds.
const ALLOWED_GRACE: RangeInclusive<u32> = 0..=86_400;
/// The most unfinished jobs that are searched for one with the same location.
const MAX_UNFINISHED: u32 = 100;

/// A request to write digests.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DigestRequest {
    /// The location of backups to write to: the path of a folder, or a URL of blobs without a SAS.
    pub to: String,
    /// How many seconds an hour is over before it is written: 0 to 86,400; the default is 900.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub grace_seconds: Option<u32>,
    /// Who requests it, for the record.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub requested_by: Option<String>,
    /// The budget: request units a second.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub ru_per_second: Option<f64>,
}

impl DigestRequest {
    fn check(&self) -> Result<(), String> {
        check_budget(self.ru_per_second)?;
        match self.grace_seconds {
            Some(grace) if !ALLOWED_GRACE.contains(&grace) => {
                let (first, last) = ALLOWED_GRACE.into_inner();
                Err(format!("graceSeconds is {grace}; allowed are {first} to {last}"))
            }
            _ => Ok(()),
        }
    }

    /// The grace time in seconds.
    pub(super) fn grace(&self) -> i64 {
        i64::from(self.grace_seconds.unwrap_or(GRACE_SECONDS))
    }
}

impl Digests {
    /// Creates the job that writes the digests that are due at a location. If such a job is under way there, that one is returned.
    ///
    /// # Errors
    /// When the request is invalid, and when the job cannot be stored.
    pub async fn create_job(&self, request: &DigestRequest) -> Result<DigestView, Error> {
        self.create_job_as(new_id(self.jobs.now()), request).await
    }

    /// Creates the job under this id: see [`create_job`](Self::create_job).
    pub(crate) async fn create_job_as(&self, id: String, request: &DigestRequest) -> Result<DigestView, Error> {
        request.check().map_err(|message| Error::invalid("writing digests", message))?;
        self.open(&request.to)?;
        let unfinished: Vec<Job> = self.jobs.unfinished(&[DIGEST], &LISTED_FIELDS, MAX_UNFINISHED).await?;
        if let Some(same) = unfinished.into_iter().map(DigestView::of).find(|job| job.location() == request.to) {
            return Ok(same);
        }
        let job = Job {
            id,
            kind: DIGEST.name.to_owned(),
            state: JobState::Queued,
            started_at: timestamp(self.jobs.now()),
            finished_at: None,
            counts: json!({}),
            request_charge: 0.0,
            job: Work {
                only_on: self.required_host(&request.to),
                ..Work::queued(self.jobs.budget(request.ru_per_second).await?, self.jobs.now())
            },
            other: Map::from_iter([("request".to_owned(), json!(request)), ("schema".to_owned(), json!(SCHEMA))]),
        };
        self.jobs.create(&job.id, &job).await?;
        Ok(DigestView::of(job))
    }
}
