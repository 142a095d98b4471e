//! What every job has.

use utoipa::ToSchema;

/// The state of a job; see the table of states in `docs/reference/http.md`.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum JobState {
    Planned,
    Queued,
    Running,
    Done,
    Conflicts,
    Unknowns,
    Findings,
    Failed,
    Cancelled,
}

/// The progress of a job.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct JobProgress {
    done: u64,
    #[schema(required = false)]
    total: u64,
    #[schema(required = false)]
    rate_per_second: f64,
    #[schema(required = false)]
    seconds_left: u64,
    #[schema(required = false)]
    phase: String,
    #[schema(required = false)]
    runner: String,
    #[schema(required = false)]
    cancelling: bool,
    #[schema(required = false)]
    message: String,
    /// The budget; absent without one.
    #[schema(required = false)]
    ru_per_second: f64,
    /// The provisioned throughput that the budget is a share of.
    #[schema(required = false)]
    share_of: u64,
}
