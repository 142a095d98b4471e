//! HTTP-triggered functions: requests of clients are proxied to the handler.

mod forward;
mod gateway;
mod headers;
mod keys;
mod route;
mod upload;

pub(crate) use gateway::{Gateway, HttpServer};
pub(crate) use keys::HostKeys;
pub(crate) use route::Routes;
