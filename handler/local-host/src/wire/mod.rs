//! HTTP/1.1 requests to the handler, on the wire as the real host writes them.
//!
//! HTTP libraries write the names of headers in lower case and add headers of their own, so the requests that the host itself makes,
//! readiness probes and invocations, do not go through one. Requests of clients that are proxied do.

mod client;
mod error;
mod request;
mod response;
mod streaming;

pub(crate) use client::WireClient;
pub(crate) use error::WireError;
pub(crate) use request::{WireBody, WireRequest};
pub(crate) use response::WireResponse;
pub(crate) use streaming::{Content, StreamedRequest, StreamedResponse};
