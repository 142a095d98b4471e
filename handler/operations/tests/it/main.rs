//! The operations on a history against the embedded endpoint: over the real wire, and in simulated time.

mod candidates;
mod simulation;
mod support;
