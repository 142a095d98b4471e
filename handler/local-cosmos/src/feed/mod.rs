//! The change feed of a container, in both modes.

mod change_feed;
mod envelope;

pub(crate) use change_feed::read;
