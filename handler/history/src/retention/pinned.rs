//! Versions that must stay although they were superseded long ago, and the work that needs them.
//!
//! What a restore replaced was live when it ran, so the window covers it as long as it covers the restore. The version that
//! the restore wrote may be as old as the window. A finished restore knows its documents by the etags that it wrote; of an
//! interrupted one, only that version shows whether a document is still as the restore left it.
//!
//! This crate does not know restores: it asks [`HeldVersions`].

use std::collections::HashSet;
use std::fmt;

use changefeed_cosmos::{DocumentName, Error};
use chrono::{DateTime, Utc};
use futures::future::BoxFuture;

/// Versions that must not be removed yet.
#[derive(Debug, Default)]
pub struct PinnedVersions(HashSet<(String, String)>);

impl PinnedVersions {
    /// Pins a version of a document.
    pub fn add(&mut self, document: &DocumentName, version: &str) {
        self.0.insert((document.to_index_key(), version.to_owned()));
    }

    pub(super) fn contains(&self, document: &DocumentName, version: &str) -> bool {
        // There is hardly ever a pinned version.
        !self.0.is_empty() && self.0.contains(&(document.to_index_key(), version.to_owned()))
    }
}

/// The work that needs versions which a sweep would remove otherwise.
pub trait HeldVersions: fmt::Debug + Send + Sync {
    /// When the oldest unfinished job began. A sweep leaves the window of that time in place.
    fn oldest_unfinished(&self, now: DateTime<Utc>) -> BoxFuture<'_, Result<Option<DateTime<Utc>>, Error>>;

    /// The versions that restores pin which began after this second since 1970.
    fn pinned_after(&self, second: i64) -> BoxFuture<'_, Result<PinnedVersions, Error>>;

    /// The ids of the restores that began after `after` and not after `until`, both in seconds since 1970, in their order.
    fn restores_between(&self, after: i64, until: i64) -> BoxFuture<'_, Result<Vec<String>, Error>>;

    /// Documents of a restore, some at a time, and where the next ones start. A continuation that is not valid any more starts
    /// over.
    fn documents_of<'a>(
        &'a self,
        restore: &'a str,
        continuation: Option<&'a str>,
    ) -> BoxFuture<'a, Result<(Vec<DocumentName>, Option<String>), Error>>;
}
