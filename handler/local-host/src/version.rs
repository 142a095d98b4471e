//! The version of the Functions host that this one stands in for, as a handler sees it in the headers.

pub(crate) const HOST_VERSION: &str = "4.1052.0.0";
