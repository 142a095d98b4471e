//! Reads the history: versions, a document as of a time, differences, search, the changes of a window.

mod activity;
mod activity_rows;
mod as_of;
mod blame;
mod changes;
mod diff;
mod live;
mod outline;
mod previous;
mod restore_deletes;
mod rows_in_order;
mod sampled_fields;
mod search;
mod total_order;
mod version_filter;
mod version_pages;
mod version_prefix;
mod versions;

pub use activity::{Activity, ActivityRequest, ActorActivity, Bucket, DocumentActivity, FieldActivity};
pub use as_of::{AsOf, Known};
pub use blame::{Blame, BlameRequest, BlamedState};
pub use changes::{Change, ChangesPage, ChangesRequest};
pub use diff::Difference;
pub use outline::{NewestVersions, Outline, outline_fields};
pub use previous::Previous;
pub use search::{SearchRequest, SearchRow, SearchRows};
pub use total_order::ChangeOrder;
pub use version_filter::{VersionFilter, VersionSelector};
pub use version_pages::VersionPages;
pub(crate) use versions::scope;
pub use versions::{VersionPage, Versions, VersionsRequest};
