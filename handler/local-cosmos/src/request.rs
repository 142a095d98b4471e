//! Requests that do not arrive at a port, and their responses.

use actix_web::http::Method;
use url::Url;

use crate::incoming::Incoming;
use crate::reply::Reply;

/// A request for [`Endpoint::answer`](crate::Endpoint::answer).
#[derive(Clone, Debug)]
pub struct Request {
    /// `GET`, `POST` and so on.
    pub method: String,
    /// The URL, whose host can be any.
    pub url: Url,
    /// The headers; names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

/// What the endpoint responds.
#[derive(Clone, Debug)]
pub struct Response {
    /// The HTTP status.
    pub status: u16,
    /// The headers; names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
    /// Whether a fault says that it must not arrive.
    pub is_lost: bool,
}

impl Request {
    pub(crate) fn into_incoming(self) -> Incoming {
        let method = Method::from_bytes(self.method.as_bytes()).unwrap_or_default();
        let host = self.url.authority().to_owned();
        Incoming { method, path: self.url.path().to_owned(), host, headers: self.headers, body: self.body }
    }
}

impl From<Reply> for Response {
    fn from(reply: Reply) -> Self {
        let Reply { status, headers, body, is_lost } = reply;
        Self { status, headers, body, is_lost }
    }
}
