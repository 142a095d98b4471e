//! The record of a verification in the jobs container. `docs/format.md` specifies it.

use chrono::Utc;
use futures::TryStreamExt;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::finding::VerifyCounts;
use super::request::VerifyRequest;
use crate::cosmos::{Error, ErrorKind, Key};
use crate::jobs::{JobState, Work, new_id};
use crate::store::{Role, Store};
use crate::version::{SCHEMA, timestamp};

/// The kind of verifications among the jobs.
pub(crate) const KIND: &str = "verify";
/// Verifications on a page of the list.
const LISTED: usize = 100;

/// The record of a verification.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VerifyRecord {
    /// The verification's id.
    pub id: String,
    /// `verify`: jobs of other kinds lie beside it.
    pub kind: String,
    /// How far it is.
    pub state: JobState,
    /// What was asked for.
    pub request: VerifyRequest,
    /// Who.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub requested_by: Option<String>,
    /// When, RFC 3339 in UTC.
    pub started_at: String,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub finished_at: Option<String>,
    /// What was found.
    #[serde(default)]
    pub counts: VerifyCounts,
    /// Request units of everything that was done.
    pub request_charge: f64,
    /// How far the work is.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub job: Option<Work>,
    /// The format of the record.
    pub schema: u32,
}

/// A list of verifications.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct VerifyList {
    /// Newest first; at most a hundred.
    pub items: Vec<VerifyRecord>,
}

impl Store {
    /// Makes a job of a verification, for whoever runs jobs.
    ///
    /// # Errors
    /// When the request is out of bounds, and when the job cannot be stored.
    pub async fn create_verification(&self, request: &VerifyRequest) -> Result<VerifyRecord, Error> {
        request.check().map_err(|message| Error::invalid("verifying", message))?;
        if let Some(key) = &request.partition_key {
            self.check_key(key).await?;
        }
        let now = Utc::now();
        let record = VerifyRecord {
            id: new_id(now),
            kind: KIND.to_owned(),
            state: JobState::Queued,
            request: VerifyRequest { requested_by: None, ..request.clone() },
            requested_by: request.requested_by.clone(),
            started_at: timestamp(now),
            finished_at: None,
            counts: VerifyCounts::default(),
            request_charge: 0.0,
            job: Some(Work::queued(request.ru_per_second)),
            schema: SCHEMA,
        };
        self.create_job(&record.id, &record).await?;
        Ok(record)
    }

    /// The verifications, newest first.
    ///
    /// # Errors
    /// When the jobs container cannot be read.
    pub async fn verifications(&self) -> Result<VerifyList, Error> {
        let jobs = self.container(Role::Jobs).await?;
        let parameters = Map::from_iter([("@kind".to_owned(), json!(KIND))]);
        let query = "SELECT * FROM c WHERE c.kind = @kind ORDER BY c.startedAt DESC";
        let mut records = jobs.select::<VerifyRecord>(query, &parameters, None).await?;
        let mut items = Vec::new();
        while let Some(record) = records.try_next().await? {
            items.push(record);
            if items.len() == LISTED {
                break;
            }
        }
        Ok(VerifyList { items })
    }

    /// One verification.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when there is no such verification.
    pub async fn verification(&self, id: &str) -> Result<VerifyRecord, Error> {
        let action = || format!("reading verification {id}");
        let found: Option<Value> = self.container(Role::Jobs).await?.read(&Key::text(id), id).await?;
        let found = found.filter(|record| record["kind"] == KIND);
        let found = found.ok_or_else(|| Error::new(ErrorKind::NotFound, action(), "there is no such verification"))?;
        serde_json::from_value(found).map_err(|error| Error::invalid(action(), error.to_string()))
    }
}
