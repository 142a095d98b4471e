//! The versions of a document as a time line, newest first, by day.

use std::collections::HashMap;

use changefeed_history::{FieldChange, Operation, UntrackedFields, Version, VersionId, VersionsRequest, path_changes};
use maud::{Markup, html};

use super::document_parameters::{DocumentRequest, With};
use super::elements::{counted, operation, restore_mark};
use super::viewer::Viewer;
use crate::http::ApiError;
use crate::service::Service;

/// The versions on a page.
const PAGE_ITEMS: u32 = 30;
/// The most fields that a line names.
const NAMED_FIELDS: usize = 3;

/// A page of the versions of a document.
pub struct VersionList {
    versions: Vec<Version>,
    /// The version after the last one of the page.
    next: Option<Version>,
    continuation: Option<String>,
    restores: HashMap<VersionId, String>,
    untracked: UntrackedFields,
}

impl VersionList {
    /// Reads a page.
    ///
    /// # Errors
    /// When the containers cannot be read.
    pub async fn read(service: &Service, request: &DocumentRequest) -> Result<Self, ApiError> {
        let history = &service.changefeed.history;
        let page = |max_items, continuation| VersionsRequest {
            document: request.document.clone(),
            max_items: Some(max_items),
            continuation,
        };
        let found = history.versions(&page(PAGE_ITEMS, request.continuation.clone())).await?;
        let next = match &found.continuation {
            Some(continuation) => {
                history.versions(&page(1, Some(continuation.clone()))).await?.items.into_iter().next()
            }
            None => None,
        };
        Ok(Self {
            restores: service.changefeed.windows.restores_of(&found.items).await?,
            untracked: history.untracked_fields().await?,
            versions: found.items,
            next,
            continuation: found.continuation,
        })
    }

    /// The second of the newest version.
    pub fn newest(&self) -> Option<i64> {
        self.versions.first().map(|version| version.source_ts)
    }

    /// The newest version, and the one before it.
    pub fn newest_with_previous(&self) -> Option<(Version, Option<Version>)> {
        self.at(0)
    }

    /// A version of this page, and the one before it.
    pub fn with_previous(&self, id: &str) -> Option<(Version, Option<Version>)> {
        self.at(self.versions.iter().position(|version| version.id == *id)?)
    }

    fn at(&self, at: usize) -> Option<(Version, Option<Version>)> {
        Some((self.versions.get(at)?.clone(), self.previous(at).cloned()))
    }

    fn previous(&self, at: usize) -> Option<&Version> {
        self.versions.get(at + 1).or(self.next.as_ref())
    }

    /// The time line. `chosen` is the version that is shown beside it.
    pub fn draw(&self, viewer: &Viewer, request: &DocumentRequest, chosen: Option<&Version>) -> Markup {
        let numbered: Vec<(usize, &Version)> = self.versions.iter().enumerate().collect();
        let days = numbered.chunk_by(|(_, one), (_, other)| viewer.day(one.source_ts) == viewer.day(other.source_ts));
        html! {
            div.head { h2 { "Versions" } span.right.muted { kbd { "j" } " " kbd { "k" } } }
            ol.versions {
                @for day in days {
                    @if let Some((_, first)) = day.first() { li.day { (viewer.day(first.source_ts)) } }
                    @for (at, _) in day { (self.line(viewer, request, chosen, *at)) }
                }
            }
            (self.end(viewer, request))
        }
    }

    fn line(&self, viewer: &Viewer, request: &DocumentRequest, chosen: Option<&Version>, at: usize) -> Markup {
        let Some(version) = self.versions.get(at) else { return html! {} };
        let id = version.id.to_string();
        let is_chosen = chosen.is_some_and(|chosen| chosen.id == version.id);
        let is_other = matches!(&request.with, With::Version(other) if *other == id);
        let with_chosen = chosen.filter(|_| !is_chosen).map(|chosen| {
            // The older one is on the left.
            let (newer, older) = if chosen.order() > version.order() { (chosen, version) } else { (version, chosen) };
            request.of_version(&newer.id.to_string(), With::Version(older.id.to_string())).address()
        });
        html! {
            li.other[is_other] {
                a.version href=(request.of_version(&id, With::Previous).address()) aria-current=[is_chosen.then_some("true")] data-open data-version=(id) {
                    (operation(version.operation))
                    (viewer.clock(version.source_ts))
                    span.what {
                        @if let Some(restore) = self.restores.get(&version.id) { (restore_mark(restore)) " " }
                        (self.what(at))
                        @if let Some(actor) = &version.actor { " " span.muted { "by " (actor) } }
                    }
                }
                @if let Some(address) = with_chosen {
                    a.with href=(address) title="Compare with the chosen version" aria-label={ "Compare " (viewer.clock_text(version.source_ts)) " with the chosen version" } { "≠" }
                }
            }
        }
    }

    /// What a version changed, in a few words.
    fn what(&self, at: usize) -> Markup {
        let Some(version) = self.versions.get(at) else { return html! {} };
        let count = version.document.as_ref().and_then(|document| document.as_object()).map_or(0, serde_json::Map::len);
        html! {
            @if version.operation.is_removal() {
                span.muted { @if version.inferred { "found missing" } @else { (version.operation.name()) "d" } }
            } @else {
                @match changes(version, self.previous(at), &self.untracked) {
                    Some(changes) if changes.is_empty() => { span.muted { "no field changed" } }
                    Some(changes) => {
                        @let names: Vec<String> = changes.iter().take(NAMED_FIELDS).map(|change| change.path.to_string()).collect();
                        span.path { (names.join(", ")) @if changes.len() > NAMED_FIELDS { " +" (changes.len() - NAMED_FIELDS) } }
                    }
                    None if version.operation == Operation::Create || self.previous(at).is_some() => {
                        span.muted { "created with " (counted(count, "field", "fields")) }
                    }
                    None => { span.muted { "first known version" } }
                }
            }
        }
    }

    fn end(&self, viewer: &Viewer, request: &DocumentRequest) -> Markup {
        html! {
            div.foot.row {
                @match (&self.continuation, self.versions.last()) {
                    (Some(continuation), _) => {
                        a.button href=(DocumentRequest { continuation: Some(continuation.clone()), ..request.clone() }.address()) data-key="n" { "Older versions" }
                    }
                    (None, Some(first)) if first.operation != Operation::Create => {
                        span.muted { "Before " (viewer.time(first.source_ts)) ": unknown." }
                    }
                    (None, Some(_)) => { span.muted { "The document was created then." } }
                    (None, None) => { span.muted { "No version is captured." } }
                }
                @if request.continuation.is_some() {
                    a.right href=(DocumentRequest { continuation: None, ..request.clone() }.address()) { "Newest" }
                }
            }
        }
    }
}

/// The fields that a version changed; `None` if the document did not exist before it, or is not known.
pub fn changes(version: &Version, previous: Option<&Version>, untracked: &UntrackedFields) -> Option<Vec<FieldChange>> {
    let before = match (&version.previous, previous) {
        (Some(before), _) => before,
        (None, Some(previous)) => previous.document_before(version)?,
        (None, None) => return None,
    };
    let changes = path_changes(Some(before), version.document.as_ref(), untracked);
    Some(changes.iter().map(|change| change.to_field_change()).collect())
}
