//! JSON as the Functions host writes it, after a round trip through Newtonsoft.Json with default settings.
//!
//! The round trip is lossy: strings that look like dates are parsed and reformatted, and numbers with a fraction or an
//! exponent become doubles. The stand-in host reproduces this, so that the loss shows before an app runs in Azure.

mod date;
mod number;
mod writer;
mod zone;

pub(crate) use date::{invariant, local, utc};
pub(crate) use writer::{text_to_json, to_json, verbatim_to_json, with_last_to_json};
pub use zone::{TimeZone, UnknownTimeZone};
