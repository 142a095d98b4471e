//! Requests and answers over HTTP: bodies, query strings and errors.

mod accepted;
mod body;
mod caller;
mod error;
mod error_code;
mod error_responses;
mod interpreted;
mod invocation;
mod query;
mod request_zone;
mod site;
mod source;

pub use accepted::accepted;
pub use body::{Json, RawJson};
pub use caller::Caller;
pub use error::ApiError;
pub use error_responses::{
    BackupErrors, FixedErrors, QueryErrors, ReadErrors, RestoreErrors, StatusErrors, TryoutErrors, WindowErrors,
    WriteBodyErrors, WriteErrors,
};
#[cfg(test)]
pub use error_responses::{ErrorAnswer, error_components};
pub use interpreted::Interpreted;
pub use invocation::{Invocation, invocation_id};
pub use query::{NoParameters, NoQuery, Query};
pub use request_zone::request_zone;
pub use site::check_site;
pub use source::{AllSources, NamedOrFirst, OfSource, OfSources, OneOrSeveral, SEPARATOR, SOURCE};
