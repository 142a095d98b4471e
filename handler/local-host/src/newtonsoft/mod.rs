//! JSON text as the Functions host writes it: after a round trip through Newtonsoft.Json with its default settings.
//!
//! That round trip is lossy, and a handler has to live with it: strings that look like dates are parsed and written
//! anew, numbers with a fraction or an exponent become doubles. The stand-in host loses the same, so that a handler that
//! corrupts documents in Azure does so here first.

mod date;
mod number;
mod writer;

pub(crate) use date::utc;
pub(crate) use writer::to_json;
