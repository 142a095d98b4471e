//! The versions of a window, counted.

use changefeed_cosmos::{Error, Meter};
use changefeed_history::{
    ActivityRequest, ActorActivity, Bucket, BucketLength, DocumentActivity, FieldActivity, MAX_ACTIVITY_VERSIONS,
    VersionFilter, VersionId, Window,
};
use serde::Serialize;

use super::reader::WindowReader;

/// Which versions to count.
#[derive(Clone, Debug)]
pub struct WindowActivityRequest {
    /// The window and the conditions.
    pub select: VersionFilter,
    /// The length of the buckets; by default one with which the window has at most 60.
    pub bucket: Option<BucketLength>,
    /// The most versions that are read; [`MAX_ACTIVITY_VERSIONS`] by default.
    pub max_versions: Option<usize>,
}

/// What happened in a window.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct WindowActivity {
    /// The buckets of the window, empty ones too, the oldest first.
    pub items: Vec<Bucket>,
    /// The length of a bucket.
    pub bucket: BucketLength,
    /// The number of versions.
    pub versions: usize,
    /// The ten fields that most versions changed, counted from a sample.
    pub fields: Vec<FieldActivity>,
    /// The number of versions in the sample. Versions that create or remove a document change no fields of it.
    pub fields_sampled: usize,
    /// The ten documents with the most versions.
    pub documents: Vec<DocumentActivity>,
    /// The ten actors with the most versions.
    pub actors: Vec<ActorActivity>,
    /// The window.
    pub window: Window,
    /// What the numbers do not show.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// The request units of all reads.
    pub request_charge: f64,
}

impl WindowReader {
    /// Counts the versions of a window.
    ///
    /// # Errors
    /// [`TooWide`](changefeed_cosmos::ErrorKind::TooWide) when the window has more versions than a request may read; the message has a
    /// window that fits. When the request is out of bounds, and when the containers cannot be read.
    pub async fn activity(&self, request: &WindowActivityRequest) -> Result<WindowActivity, Error> {
        let meter = Meter::default();
        let history_request = ActivityRequest {
            select: request.select.clone(),
            bucket: request.bucket,
            stamp_fields: self.restores.stamp(),
            max_versions: request.max_versions.unwrap_or(MAX_ACTIVITY_VERSIONS),
        };
        let window = request.select.window;
        let marks = self.restores.metered(&meter).marks(&[window.from()..=window.to()]).await?;
        let is_by_restore = |version: &VersionId| marks.of(version).is_some();
        let found = self.history.activity(&history_request, is_by_restore, &meter).await?;
        Ok(WindowActivity {
            items: found.buckets,
            bucket: found.length,
            versions: found.versions,
            fields: found.fields,
            fields_sampled: found.fields_sampled,
            documents: found.documents,
            actors: found.actors,
            window: found.window,
            warnings: found.warnings,
            request_charge: meter.total(),
        })
    }
}
