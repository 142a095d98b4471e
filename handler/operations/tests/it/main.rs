//! The operations on a history over the real wire: against the embedded endpoint.

mod candidates;
