//! What is known of a delete: a reply can be lost, and the next request then finds nothing.

use azure_data_cosmos::diagnostics::DiagnosticsContext;

/// The outcome of a delete.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Deletion {
    /// The item is deleted, for these request units.
    Done(f64),
    /// The item does not exist. An earlier request may have deleted it: its reply was lost.
    Unclear,
    /// The item did not exist.
    Absent,
}

impl Deletion {
    /// The request units of the request that deleted the item.
    pub fn request_charge(self) -> f64 {
        if let Self::Done(request_charge) = self { request_charge } else { 0.0 }
    }

    /// Whether this delete has deleted the item, or may have.
    pub fn is_own(self) -> bool {
        self != Self::Absent
    }
}

/// Whether the service may have executed one of these requests without the client knowing: a request that was sent and has no complete answer.
pub(crate) fn may_be_executed(diagnostics: Option<&DiagnosticsContext>) -> bool {
    let Some(diagnostics) = diagnostics else { return true };
    diagnostics.requests().iter().any(|request| {
        let status = u16::from(request.status().status_code());
        let is_answered = (200..500).contains(&status) && status != 408;
        // The SDK has sent such a request again on another connection, and has the last answer only.
        request.local_shard_retry_count() > 0
            || request.pipeline_type().is_data_plane() && request.request_sent().may_have_been_sent() && !is_answered
    })
}
