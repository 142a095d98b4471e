//! JSON as the Functions host writes it, after a round trip through Newtonsoft.Json with default settings.
//!
//! The round trip is lossy: strings that look like dates are parsed and reformatted, and numbers with a fraction or an
//! exponent become doubles. The stand-in host reproduces this, so that the loss shows before an app runs in Azure.

mod date;
mod number;
mod writer;

pub(crate) use date::utc;
pub(crate) use writer::change_to_json;
