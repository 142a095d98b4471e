//! Who sends a request.

use std::convert::Infallible;
use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};

/// The header with the name of the user. The platform sets it where its authentication is on, and removes that of a client.
const HEADER: &str = "x-ms-client-principal-name";
/// The most characters of a name that are kept.
const MAX_CHARACTERS: usize = 256;

/// The name of the user, where the platform has authenticated one.
pub struct Caller(Option<String>);

impl Caller {
    /// Who requests something: the name that the request has, or the caller's.
    pub fn or_named(self, name: Option<String>) -> Option<String> {
        name.or(self.0)
    }
}

impl FromRequest for Caller {
    type Error = Infallible;
    type Future = Ready<Result<Self, Infallible>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let name = request.headers().get(HEADER).and_then(|value| value.to_str().ok()).filter(|name| !name.is_empty());
        ready(Ok(Self(name.map(|name| name.chars().take(MAX_CHARACTERS).collect()))))
    }
}
