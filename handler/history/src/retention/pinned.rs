//! Versions that a sweep must not delete although they have expired, because a job still needs them.
//!
//! The undo of a restore needs two versions of a document. The version that the restore replaced was live when the restore ran,
//! so it does not expire before the restore itself leaves the window. The version that the restore wrote back can be as old as the window.
//! A finished restore does not need it, because it recorded the etags that it wrote. For an interrupted restore, only that
//! version shows whether a document was changed after the restore, so it is pinned.
//!
//! This crate does not know restores; it asks through [`HeldVersions`].

use std::collections::HashSet;
use std::fmt;

use changefeed_cosmos::{DocumentName, Error};
use chrono::{DateTime, Utc};
use futures::future::BoxFuture;

/// Versions that must not be deleted yet.
#[derive(Debug, Default)]
pub struct PinnedVersions(HashSet<(String, String)>);

impl PinnedVersions {
    /// Pins a version of a document.
    pub fn add(&mut self, document: &DocumentName, version: &str) {
        self.0.insert((document.to_index_key(), version.to_owned()));
    }

    pub(super) fn contains(&self, document: &DocumentName, version: &str) -> bool {
        // Most of the time no version is pinned, and no key has to be built.
        !self.0.is_empty() && self.0.contains(&(document.to_index_key(), version.to_owned()))
    }
}

/// A page of documents, and the continuation of the next page; `None` on the last.
type DocumentsPage = (Vec<DocumentName>, Option<String>);

/// Names the versions that jobs need and that a sweep would otherwise delete.
pub trait HeldVersions: fmt::Debug + Send + Sync {
    /// When the oldest unfinished job began. The retention is counted from that time instead of now.
    fn oldest_unfinished(&self, now: DateTime<Utc>) -> BoxFuture<'_, Result<Option<DateTime<Utc>>, Error>>;

    /// The versions that are pinned by restores that began after this second since 1970.
    fn pinned_after(&self, second: i64) -> BoxFuture<'_, Result<PinnedVersions, Error>>;

    /// The ids of the restores that began after `after` and at or before `until`, both in seconds since 1970, sorted.
    fn restores_between(&self, after: i64, until: i64) -> BoxFuture<'_, Result<Vec<String>, Error>>;

    /// A page of the documents of a restore, and the continuation of the next page. If a continuation is no longer valid, the first
    /// page is returned.
    fn documents_of<'a>(
        &'a self,
        restore: &'a str,
        continuation: Option<&'a str>,
    ) -> BoxFuture<'a, Result<DocumentsPage, Error>>;
}
