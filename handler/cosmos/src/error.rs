//! Errors of the service and of the SDK, reduced to what a caller branches on.

use std::time::Duration;

use azure_data_cosmos::{CosmosError, SubStatusCode};

/// The SDK's own sub-status of a 500: the answer cannot be parsed.
const RESPONSE_BODY_INVALID: SubStatusCode = SubStatusCode::new(20020);
/// The SDK's own sub-status for a query that it cannot run across partitions.
const UNSUPPORTED_QUERY: SubStatusCode = SubStatusCode::new(20113);
/// What the service says of a feature that the query needs and the SDK does not name among those that it has.
const UNSUPPORTED_FEATURE: &str = "which the calling client does not support";
/// The SDK's own sub-status of a 500: the parts of a partition that is being split or merged are not there yet.
const SPLIT_RETRIES_EXHAUSTED: SubStatusCode = SubStatusCode::new(20206);
/// The key in the request is not the one in the document: the container's key paths are not those that were read.
const KEY_MISMATCH: SubStatusCode = SubStatusCode::new(1001);
/// Of a 400: the request names the resource id of a container that was deleted.
const RESOURCE_ID_MISMATCH: SubStatusCode = SubStatusCode::new(1024);
/// Of a 404: no container has this name.
const OWNER_NOT_FOUND: SubStatusCode = SubStatusCode::new(1003);
/// Of a 410: the name stands for another container by now.
pub(crate) const NAME_CACHE_STALE: SubStatusCode = SubStatusCode::new(1000);

/// The kind of a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// 404.
    NotFound,
    /// 409.
    Conflict,
    /// 412: the item has another etag.
    PreconditionFailed,
    /// 429, after the SDK's own retries.
    Throttled,
    /// 413.
    TooLarge,
    /// 410: the range was split or merged.
    Gone,
    /// 408, 449, 5xx, 404 from a replica that has not seen the session, or no connection. A later attempt may succeed.
    Unavailable,
    /// 401 and 403.
    Forbidden,
    /// The caller's request is wrong: 400, or refused before it was sent. The same request fails again.
    Invalid,
    /// The caller names a place outside of the service that the settings do not allow.
    PlaceNotAllowed,
    /// The caller asks for more than one request may read. A narrower request succeeds; the message has one.
    TooWide,
    /// Stored data is damaged, or an answer cannot be parsed. The same request fails again for every caller.
    Corrupt,
    /// This program is at fault.
    Internal,
}

impl ErrorKind {
    /// Whether the same request may succeed later.
    pub fn is_transient(self) -> bool {
        matches!(self, Self::Throttled | Self::Unavailable | Self::Gone)
    }
}

/// A failed operation: its kind, what was attempted, and what the SDK reports.
#[derive(Debug, thiserror::Error)]
#[error("{action}: {message}")]
pub struct Error {
    kind: ErrorKind,
    action: String,
    message: String,
    retry_after: Option<Duration>,
    definition_is_stale: bool,
    is_unsupported: bool,
    /// Its text is in the message: as the source it would be printed twice.
    cause: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// A failure of `action`, which reads like *reading item 7*.
    pub fn new(kind: ErrorKind, action: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            kind,
            action: action.into(),
            message: message.into(),
            retry_after: None,
            definition_is_stale: false,
            is_unsupported: false,
            cause: None,
        }
    }

    /// The service cannot do this to an item with this id.
    pub(crate) fn unsupported(action: impl Into<String>, message: impl Into<String>) -> Self {
        Self { is_unsupported: true, ..Self::invalid(action, message) }
    }

    /// The caller's request is wrong.
    pub fn invalid(action: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Invalid, action, message)
    }

    /// Stored data is damaged. The action names the record.
    pub fn corrupt(action: impl Into<String>, message: impl std::fmt::Display) -> Self {
        Self::new(ErrorKind::Corrupt, action, message.to_string())
    }

    /// This program is at fault.
    pub fn internal(action: impl Into<String>, message: impl std::fmt::Display) -> Self {
        Self::new(ErrorKind::Internal, action, message.to_string())
    }

    /// There is no such item.
    pub fn not_found(action: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(ErrorKind::NotFound, action, message)
    }

    /// The same failure as another kind.
    pub(crate) fn with_kind(self, kind: ErrorKind) -> Self {
        Self { kind, ..self }
    }

    /// The same failure, with the time that the service asks to wait, if it does.
    pub fn with_retry_after(self, retry_after: Option<Duration>) -> Self {
        Self { retry_after: retry_after.or(self.retry_after), ..self }
    }

    /// The kind of the failure.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// Whether the same request may succeed later.
    pub fn is_transient(&self) -> bool {
        self.kind.is_transient()
    }

    /// What the SDK reports, without the action.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// How long the service asks to wait before the next attempt.
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    /// The SDK's error.
    pub fn cause(&self) -> Option<&(dyn std::error::Error + Send + Sync + 'static)> {
        self.cause.as_deref()
    }

    /// Whether the service can do this to other items, and not to one with this id. Such a failure is [`ErrorKind::Invalid`].
    pub fn is_unsupported(&self) -> bool {
        self.is_unsupported
    }

    /// Whether the service answers that the container's definition is another one than the one that was read.
    pub(crate) fn definition_is_stale(&self) -> bool {
        self.definition_is_stale
    }

    /// The error of a read.
    pub fn from_sdk(action: impl Into<String>, error: CosmosError) -> Self {
        let status = error.status();
        let sub_status = status.sub_status();
        let kind = match u16::from(status.status_code()) {
            404 if status.is_read_session_not_available() => ErrorKind::Unavailable,
            404 => ErrorKind::NotFound,
            409 => ErrorKind::Conflict,
            410 => ErrorKind::Gone,
            412 => ErrorKind::PreconditionFailed,
            413 => ErrorKind::TooLarge,
            429 => ErrorKind::Throttled,
            401 | 403 => ErrorKind::Forbidden,
            500 if sub_status == Some(RESPONSE_BODY_INVALID) => ErrorKind::Corrupt,
            500 if sub_status == Some(SPLIT_RETRIES_EXHAUSTED) => ErrorKind::Gone,
            408 | 449 | 500.. => ErrorKind::Unavailable,
            _ => ErrorKind::Invalid,
        };
        let text = error.to_string();
        let hint = if sub_status == Some(UNSUPPORTED_QUERY) || needs_merged_aggregates(&text) {
            " (COUNT and other aggregates need a partition key value: name one)"
        } else {
            ""
        };
        let is = |codes: &[SubStatusCode]| sub_status.is_some_and(|code| codes.contains(&code));
        let definition_is_stale = match u16::from(status.status_code()) {
            400 => is(&[KEY_MISMATCH, RESOURCE_ID_MISMATCH]),
            404 => is(&[OWNER_NOT_FOUND]),
            410 => is(&[NAME_CACHE_STALE]),
            _ => false,
        };
        let retry_after =
            error.response().and_then(|response| response.headers().retry_after_ms).map(Duration::from_millis);
        Self {
            kind,
            action: action.into(),
            message: format!("{text}{hint}"),
            retry_after,
            definition_is_stale,
            is_unsupported: false,
            cause: Some(Box::new(error)),
        }
    }

    /// The error of a write. An answer that cannot be parsed says nothing about the write, which may have been done; every
    /// write of this program can be repeated, so it is one more transient failure.
    pub fn of_write(action: impl Into<String>, error: CosmosError) -> Self {
        match Self::from_sdk(action, error) {
            unread @ Self { kind: ErrorKind::Corrupt, .. } => unread.with_kind(ErrorKind::Unavailable),
            other => other,
        }
    }
}

/// Whether the service refuses to plan a query for the SDK, because that cannot merge the aggregates or groups of several partitions.
fn needs_merged_aggregates(message: &str) -> bool {
    let names = |feature: &str| message.contains(feature);
    names(UNSUPPORTED_FEATURE) && ["Aggregate", "GroupBy", "DCount"].into_iter().any(names)
}

#[cfg(test)]
mod tests {
    use super::*;
    use azure_core::http::StatusCode;
    use azure_data_cosmos::CosmosStatus;

    fn error(status: CosmosStatus) -> CosmosError {
        CosmosError::builder().with_status(status).with_message("x").build()
    }

    #[test]
    fn an_answer_that_cannot_be_parsed_is_permanent_for_a_read_and_transient_for_a_write() {
        let failed = CosmosStatus::new(StatusCode::InternalServerError);
        assert_eq!(Error::from_sdk("reading", error(failed)).kind(), ErrorKind::Unavailable);
        let unparsed = failed.with_sub_status(20020);
        assert_eq!(Error::from_sdk("reading", error(unparsed)).kind(), ErrorKind::Corrupt);
        assert!(Error::of_write("writing", error(unparsed)).is_transient());
    }

    #[test]
    fn a_query_whose_aggregates_the_sdk_cannot_merge_has_a_hint() {
        let refused = |message: &'static str| {
            let error =
                CosmosError::builder().with_status(CosmosStatus::new(StatusCode::BadRequest)).with_message(message);
            Error::from_sdk("querying", error.build()).message().to_owned()
        };
        let of_feature = refused("Query contained GroupBy, which the calling client does not support.");
        assert!(of_feature.contains("need a partition key value"), "{of_feature}");
        for other in ["Query contained HybridSearch, which the calling client does not support.", "GroupBy"] {
            assert!(!refused(other).contains("need a partition key value"), "{other}");
        }
    }

    #[test]
    fn a_split_that_outlasts_the_retries_of_the_sdk_is_reported_like_a_range_that_is_gone() {
        let split = CosmosStatus::new(StatusCode::InternalServerError).with_sub_status(20206);
        assert_eq!(Error::from_sdk("reading", error(split)).kind(), ErrorKind::Gone);
    }

    #[test]
    fn a_replica_that_has_not_seen_the_session_says_nothing_about_the_item() {
        let status = |sub_status| CosmosStatus::new(StatusCode::NotFound).with_sub_status(sub_status);
        assert_eq!(Error::from_sdk("reading", error(status(1002))).kind(), ErrorKind::Unavailable);
        assert_eq!(Error::from_sdk("reading", error(status(0))).kind(), ErrorKind::NotFound);
    }

    #[test]
    fn the_service_reports_a_container_that_was_recreated_by_its_sub_status() {
        let is_stale = |status, sub_status| {
            Error::from_sdk("reading", error(CosmosStatus::new(status).with_sub_status(sub_status)))
                .definition_is_stale()
        };
        assert!(is_stale(StatusCode::NotFound, 1003) && is_stale(StatusCode::Gone, 1000));
        assert!(is_stale(StatusCode::BadRequest, 1001) && is_stale(StatusCode::BadRequest, 1024));
        assert!(!is_stale(StatusCode::NotFound, 1002) && !is_stale(StatusCode::Gone, 1002));
    }
}
