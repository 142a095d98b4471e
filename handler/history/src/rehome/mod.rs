//! Brings versions of another history, or of a container that another program kept as a history, into this one.
//!
//! Nothing here writes: these functions say which versions this history must have. A job stores them, and compares them afterwards.

mod flat_change;
mod fold;
mod new_key;
mod next_versions;

pub use flat_change::{FlatChange, FlatFields};
pub use fold::{ChangeToFold, FoldedChange, fold_changes};
pub use new_key::{LastVersion, Placed, VersionPlacer};
pub use next_versions::NextVersions;
