//! Documents that could not be kept as versions: looked at, tried again, given up.
//!
//! A replay is capture once more. It stores the version first and takes the letter away after that, so that a replay that
//! is repeated, overtaken by another, or interrupted at any point finds either the letter or the version, or both. What
//! still cannot be stored stays where it is and says why.

mod list;
mod record;
mod remove;
mod replay;

pub use list::{DeadLetterPage, DeadLettersRequest};
pub use record::DeadLetter;
pub use replay::{Replay, ReplayOutcome};
