//! HTTP-triggered functions: requests of clients are proxied to the handler, or sent to it as JSON.

mod envelope_request;
mod envelope_response;
mod forward;
mod gateway;
mod headers;
mod keys;
mod path;
mod route;
mod upload;

pub(crate) use gateway::{Envelope, Gateway, HttpServer};
pub(crate) use keys::HostKeys;
pub(crate) use route::Routes;
