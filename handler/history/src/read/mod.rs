//! Reads the history: versions, a document as of a time, differences, search.

mod as_of;
mod blame;
mod diff;
mod live;
mod outline;
mod search;
mod versions;

pub use as_of::AsOf;
pub use blame::{Blame, BlameRequest};
pub use diff::Difference;
pub use outline::{NewestVersions, Outline, outline_fields};
pub use search::{SearchRequest, SearchRow, SearchRows};
pub(crate) use versions::scope;
pub use versions::{VersionPage, VersionsRequest};
