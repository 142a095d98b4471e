//! A portion of a job: some of the parts of its phase, which any worker may claim.
//!
//! A large phase is divided. Each portion is a job of its own in the jobs container. They lie in all of its physical partitions, so
//! the leases of the change feed distribute the portions, and a portion whose worker dies is taken over like any job. The divided
//! job waits: it is claimed again when all portions have ended.
//!
//! The race to mind: an end is recorded in the divided job before the portion's own record says so. A worker that is killed in
//! between does both again, and the record of an end names the portion, so it counts once.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::state::JobState;

/// The kind of the records of portions. They are run as jobs of the kind of the job that was divided.
pub(crate) const PORTION: &str = "portion";

/// A portion, as the divided job lists it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Portion {
    /// The id of its own record.
    pub id: String,
    /// Whether it is created, and whether it has ended.
    pub state: PortionState,
    /// Where it starts if it is new, and where it stopped if it has failed.
    #[serde(skip_serializing_if = "Value::is_null", default)]
    pub cursor: Value,
    /// Its counts when it started or ended.
    #[serde(skip_serializing_if = "Value::is_null", default)]
    pub counts: Value,
    /// The items that it had processed then.
    #[serde(skip_serializing_if = "is_zero", default)]
    pub done: u64,
    /// The request units that it had used then.
    #[serde(skip_serializing_if = "is_nothing", default)]
    pub request_charge: f64,
    /// Why it has failed.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub message: Option<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_nothing(charge: &f64) -> bool {
    *charge == 0.0
}

/// The state of a portion, as the divided job knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum PortionState {
    /// Its record may not exist yet.
    New,
    /// Its record exists, and says more.
    Created,
    /// It has read its parts to their end.
    Done,
    /// It could not be completed.
    Failed,
    /// It was cancelled.
    Cancelled,
}

impl PortionState {
    /// The state of a portion that has ended.
    pub(crate) fn of_end(state: JobState) -> Self {
        match state {
            JobState::Failed => Self::Failed,
            JobState::Cancelled => Self::Cancelled,
            _ => Self::Done,
        }
    }

    /// Whether it has ended.
    pub(crate) fn is_end(self) -> bool {
        !matches!(self, Self::New | Self::Created)
    }
}

impl Portion {
    /// A portion that starts at this cursor.
    pub(crate) fn new(id: String, cursor: Value) -> Self {
        let (state, counts) = (PortionState::New, Value::Null);
        Self { id, state, cursor, counts, done: 0, request_charge: 0.0, message: None }
    }

    /// Lets a portion that has failed, or was not created, be created again: with another record, at the position where it stopped.
    pub(crate) fn renew(&mut self, job_id: &str) {
        if matches!(self.state, PortionState::Failed | PortionState::New) {
            (self.id, self.state, self.message) = (new_portion_id(job_id), PortionState::New, None);
        }
    }
}

/// A new id for a portion of a job.
pub(crate) fn new_portion_id(job_id: &str) -> String {
    format!("{job_id}-{PORTION}-{:08x}", changefeed_cosmos::random_u32())
}
