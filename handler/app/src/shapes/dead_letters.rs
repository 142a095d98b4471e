//! Dead letters.

use utoipa::ToSchema;

/// A document that could not be captured.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeadLetter {
    id: String,
    #[schema(example = "not-json")]
    reason: String,
    message: String,
    function: String,
    invocation_id: String,
    captured_at: String,
    rewritten_by_host: bool,
    /// Replays that failed.
    attempts: u32,
    #[schema(required = false)]
    attempted_at: String,
    /// The fields that the payload had and that are never stored, as JSON Pointers; absent if there are none.
    #[schema(required = false)]
    omitted: Vec<String>,
    /// True if the payload is not stored, because it could not be read and may have such fields.
    #[schema(required = false)]
    without_payload: bool,
    schema: u32,
    /// The text as it was delivered, without fields that are never stored; absent in lists.
    #[schema(required = false)]
    payload: String,
}

/// Dead letters, newest first, without their payloads.
#[derive(ToSchema)]
pub struct DeadLetterPage {
    items: Vec<DeadLetter>,
    #[schema(required = false)]
    continuation: String,
}

/// The outcome of a replay. All but `stillDead` remove the dead letter.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum ReplayOutcome {
    Stored,
    AlreadyStored,
    StillDead,
    Erased,
    Excluded,
}

/// The result of a replay.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Replay {
    id: String,
    outcome: ReplayOutcome,
    #[schema(required = false)]
    version: String,
    #[schema(required = false)]
    reason: String,
    #[schema(required = false)]
    message: String,
    attempts: u32,
    request_charge: f64,
}

/// A dead letter that was discarded.
#[derive(ToSchema)]
pub struct Discarded {
    id: String,
    discarded: bool,
}

/// No properties.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Nothing {}
