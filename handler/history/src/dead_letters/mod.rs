//! Documents that could not be stored as versions: list, show, replay, discard.
//!
//! A replay captures the document again. It stores the version first and removes the dead letter afterwards. A replay that is
//! repeated, overtaken by another or interrupted at any point therefore finds the dead letter, the version, or both. A document
//! that still cannot be stored stays a dead letter, with the new reason.

mod copy;
mod erase;
mod list;
mod remove;
mod repeated;
mod replay;

use std::time::Duration;

use changefeed_cosmos::{Container, Error, LazyContainer, Meter};

use crate::capture::Capture;
use crate::containers::Containers;

pub use copy::CopiedLetters;
pub use list::DeadLetterPage;
pub use replay::{Replay, ReplayOutcome};

/// The dead letters of a history.
#[derive(Clone, Debug)]
pub struct DeadLetters {
    container: LazyContainer,
    capture: Capture,
    timeout: Duration,
}

impl DeadLetters {
    /// The dead letters in these containers; `capture` replays them. A request is retried for at most `timeout`.
    pub fn new(containers: &Containers, capture: Capture, timeout: Duration) -> Self {
        Self { container: containers.dead_letters.clone(), capture, timeout }
    }

    /// The same dead letters. Their requests are counted by this meter.
    pub fn metered(&self, meter: &Meter) -> Self {
        Self { container: self.container.metered(meter), capture: self.capture.metered(meter), timeout: self.timeout }
    }

    /// Their container, opened.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn open(&self) -> Result<Container, Error> {
        self.container.open().await
    }
}
