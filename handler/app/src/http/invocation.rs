//! The invocation that a request belongs to.

use std::convert::Infallible;
use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use changefeed_cosmos::IdempotencyKey;

/// The header with the id of the invocation. The Functions host sets it, whatever its client sends.
const HEADER: &str = "X-Azure-Functions-InvocationId";

/// The id of the invocation, the same when the host sends a request again; `None` for a request that does not come through the host.
pub struct Invocation(pub Option<IdempotencyKey>);

impl FromRequest for Invocation {
    type Error = Infallible;
    type Future = Ready<Result<Self, Infallible>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Ok(Self(invocation_id(request).and_then(IdempotencyKey::new))))
    }
}

/// The id of the invocation as text.
pub fn invocation_id(request: &HttpRequest) -> Option<&str> {
    request.headers().get(HEADER)?.to_str().ok()
}
