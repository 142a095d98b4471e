//! Why a request for a resource is refused.

use crate::reply::{Reply, header};

/// Sub-status of a 404: the database or the container of the requested resource is missing.
const OWNER_NOT_FOUND: &str = "1003";

/// Status, sub-status and message of an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub status: u16,
    pub substatus: Option<&'static str>,
    pub message: String,
}

impl Refusal {
    fn new(status: u16, message: impl Into<String>) -> Self {
        Self { status, substatus: None, message: message.into() }
    }

    /// 400: something in the request is invalid.
    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, message)
    }

    /// 403: the resource cannot be changed in this way.
    pub(crate) fn forbidden(message: impl Into<String>) -> Self {
        Self::new(403, message)
    }

    /// 404: the resource does not exist.
    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        Self::new(404, message)
    }

    /// 404 with the sub-status 1003: what the resource would be in does not exist.
    pub(crate) fn owner_not_found(message: impl Into<String>) -> Self {
        Self { substatus: Some(OWNER_NOT_FOUND), ..Self::new(404, message) }
    }

    /// 405: the resource has no such method.
    pub(crate) fn method_not_allowed(message: impl Into<String>) -> Self {
        Self::new(405, message)
    }

    /// 409: a resource with this id exists.
    pub(crate) fn conflict(message: impl Into<String>) -> Self {
        Self::new(409, message)
    }

    /// 412: the etag is another one.
    pub(crate) fn precondition_failed(message: impl Into<String>) -> Self {
        Self::new(412, message)
    }

    /// 501: the endpoint does not offer this.
    pub(crate) fn not_offered(message: impl Into<String>) -> Self {
        Self::new(501, message)
    }

    /// 503: the change could not be stored.
    pub(crate) fn unavailable(message: impl Into<String>) -> Self {
        Self::new(503, message)
    }

    pub(crate) fn into_reply(self) -> Reply {
        let code = match self.status {
            403 => "Forbidden",
            404 => "NotFound",
            405 => "MethodNotAllowed",
            409 => "Conflict",
            412 => "PreconditionFailed",
            501 => "NotImplemented",
            503 => "ServiceUnavailable",
            _ => "BadRequest",
        };
        let reply = Reply::error(self.status, code, self.message);
        match self.substatus {
            Some(substatus) => reply.with(header::SUBSTATUS, substatus),
            None => reply,
        }
    }
}
