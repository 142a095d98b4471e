//! Documents that could not be stored as versions: list, show, replay, discard.
//!
//! A replay captures the document again. It stores the version first and removes the letter after that, so that a replay
//! that is repeated, overtaken by another, or interrupted at any point finds the letter, the version, or both. A document that
//! still cannot be stored stays a dead letter with the new reason.

mod list;
mod remove;
mod replay;

use std::time::Duration;

use changefeed_cosmos::LazyContainer;

use crate::capture::Capture;
use crate::containers::Containers;

pub use list::{DeadLetterPage, DeadLettersRequest};
pub use replay::{Replay, ReplayOutcome};

/// The dead letters of a history.
#[derive(Clone, Debug)]
pub struct DeadLetters {
    container: LazyContainer,
    capture: Capture,
    timeout: Duration,
}

impl DeadLetters {
    /// The dead letters in these containers; `capture` replays them. Retries of one request end after `timeout`.
    pub fn new(containers: &Containers, capture: Capture, timeout: Duration) -> Self {
        Self { container: containers.dead_letters.clone(), capture, timeout }
    }
}
