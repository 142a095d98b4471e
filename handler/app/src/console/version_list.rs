//! The versions of a document as a time line, newest first, by day.

use std::collections::HashMap;

use changefeed_cosmos::DocumentName;
use changefeed_history::{FieldChange, History, Operation, Outline, UntrackedFields, Version, VersionId, path_changes};
use maud::{Markup, html};

use super::document_parameters::{DocumentRequest, ListStart, With};
use super::elements::{counted, operation, restore_mark};
use super::viewer::Viewer;
use crate::http::ApiError;
use crate::service::Service;

/// The versions on a page.
const PAGE_ITEMS: usize = 30;
/// The size of documents in bytes after which no more of them are read for a page.
const MAX_BYTES: usize = 1 << 20;
/// The versions whose documents are read whatever their size: the first one, and the one before it.
const LEAST_WHOLE: usize = 2;
/// The most fields that a line names.
const NAMED_FIELDS: usize = 3;

/// A page of the versions of a document.
pub struct VersionList {
    versions: Vec<Listed>,
    /// The version after the last one of the page.
    next: Option<Listed>,
    /// Where the page begins; `None` for the newest version.
    start: Option<ListStart>,
    restores: HashMap<VersionId, String>,
    untracked: UntrackedFields,
}

/// A version of a list.
enum Listed {
    /// With its document.
    Whole(Box<Version>),
    /// Without it: the documents of the versions before it are large.
    Outline(Outline),
}

impl VersionList {
    /// Reads the page that a request asks for, or else the one that has the version that it shows.
    ///
    /// # Errors
    /// When the containers cannot be read.
    pub async fn read(service: &Service, request: &DocumentRequest) -> Result<Self, ApiError> {
        let history = &service.changefeed.history;
        let document = &request.document;
        let mut start = request.list.clone();
        let mut versions = listed(history, document, start.as_ref()).await?;
        if let Some(id) = request.version.as_deref().filter(|_| start.is_none())
            && !versions.iter().any(|version| *version.id() == *id)
        {
            let chosen = history.version(document, id).await?;
            let at = ListStart::at(chosen.source_ts, &chosen.id);
            versions = listed(history, document, Some(&at)).await?;
            start = Some(at);
        }
        let next = (versions.len() > PAGE_ITEMS).then(|| versions.pop()).flatten();
        let names: Vec<_> = versions.iter().map(|version| (version.id().clone(), version.source_ts())).collect();
        Ok(Self {
            restores: service.changefeed.windows.restores_of(&names).await?,
            untracked: history.untracked_fields().await?,
            versions,
            next,
            start,
        })
    }

    /// The second of the newest version of the page.
    pub fn newest(&self) -> Option<i64> {
        self.versions.first().map(Listed::source_ts)
    }

    /// Where the page begins; `None` for the newest version.
    pub fn start(&self) -> Option<&ListStart> {
        self.start.as_ref()
    }

    /// The id of the newest version of the page.
    pub fn newest_id(&self) -> Option<&VersionId> {
        self.versions.first().map(Listed::id)
    }

    /// A version of this page and the one before it, if both were read with their documents.
    pub fn with_previous(&self, id: &str) -> Option<(Version, Option<Version>)> {
        let at = self.versions.iter().position(|version| *version.id() == *id)?;
        let version = self.versions.get(at)?.whole()?.clone();
        match self.previous(at) {
            None => Some((version, None)),
            Some(previous) => Some((version, Some(previous.whole()?.clone()))),
        }
    }

    fn previous(&self, at: usize) -> Option<&Listed> {
        self.versions.get(at + 1).or(self.next.as_ref())
    }

    /// The time line. `chosen` is the version that is shown beside it.
    pub fn draw(&self, viewer: &Viewer, request: &DocumentRequest, chosen: Option<&Version>) -> Markup {
        let numbered: Vec<(usize, &Listed)> = self.versions.iter().enumerate().collect();
        let days =
            numbered.chunk_by(|(_, one), (_, other)| viewer.day(one.source_ts()) == viewer.day(other.source_ts()));
        html! {
            div.head { h2 { "Versions" } span.right.muted { kbd { "j" } " " kbd { "k" } } }
            ol.versions {
                @for day in days {
                    @if let Some((_, first)) = day.first() { li.day { (viewer.day(first.source_ts())) } }
                    @for (at, _) in day { (self.line(viewer, request, chosen, *at)) }
                }
            }
            (self.end(viewer, request))
        }
    }

    fn line(&self, viewer: &Viewer, request: &DocumentRequest, chosen: Option<&Version>, at: usize) -> Markup {
        let Some(version) = self.versions.get(at) else { return html! {} };
        let id = version.id().to_string();
        let is_chosen = chosen.is_some_and(|chosen| chosen.id == *version.id());
        let is_other = matches!(&request.with, With::Version(other) if *other == id);
        let with_chosen = chosen.filter(|_| !is_chosen).map(|chosen| {
            // The older one is on the left.
            let is_newer = chosen.order() > version.order();
            let (newer, older) = if is_newer { (&chosen.id, version.id()) } else { (version.id(), &chosen.id) };
            request.of_version(&newer.to_string(), With::Version(older.to_string())).address()
        });
        html! {
            li.other[is_other] {
                a.version href=(request.of_version(&id, With::Previous).address()) aria-current=[is_chosen.then_some("true")] data-open data-version=(id) {
                    (operation(version.operation()))
                    (viewer.clock(version.source_ts()))
                    span.what {
                        @if let Some(restore) = self.restores.get(version.id()) { (restore_mark(restore)) " " }
                        (self.what(at))
                        @if let Some(actor) = version.actor().filter(|_| !self.restores.contains_key(version.id())) { " " span.muted { "by " (actor) } }
                    }
                }
                @if let Some(address) = with_chosen {
                    a.with href=(address) title="Compare with the chosen version" aria-label={ "Compare " (viewer.clock_text(version.source_ts())) " with the chosen version" } { "≠" }
                }
            }
        }
    }

    /// What a version changed, in a few words.
    fn what(&self, at: usize) -> Markup {
        let version = match self.versions.get(at) {
            Some(Listed::Whole(version)) => version,
            Some(Listed::Outline(outline)) if outline.operation.is_removal() => {
                return removal(outline.operation, outline.inferred);
            }
            Some(Listed::Outline(_)) => {
                return html! { span.muted title="The documents are large; open the version to see what it changed" { "large" } };
            }
            None => return html! {},
        };
        let count = version.document.as_ref().and_then(|document| document.as_object()).map_or(0, serde_json::Map::len);
        html! {
            @if version.operation.is_removal() {
                (removal(version.operation, version.inferred))
            } @else if self.previous(at).is_some_and(|previous| previous.whole().is_none()) {
                span.muted title="The documents are large; open the version to see what it changed" { "large" }
            } @else {
                @match changes(version, self.previous(at).and_then(Listed::whole), &self.untracked) {
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
                @match (&self.next, self.versions.last()) {
                    (Some(next), _) => {
                        @let start = ListStart::at(next.source_ts(), next.id());
                        a.button href=(DocumentRequest { list: Some(start), ..request.clone() }.address()) data-key="n" { "Older versions" }
                    }
                    (None, Some(first)) if first.operation() != Operation::Create => {
                        span.muted { "Before " (viewer.time(first.source_ts())) ": unknown." }
                    }
                    (None, Some(_)) => { span.muted { "The document was created then." } }
                    (None, None) => { span.muted { "No version is captured." } }
                }
                @if self.start.is_some() {
                    a.right href=(DocumentRequest { list: None, version: None, ..request.clone() }.address()) { "Newest" }
                }
            }
        }
    }
}

/// Reads the versions of a page and the one after it. Documents are read until they are large together.
async fn listed(
    history: &History,
    document: &DocumentName,
    start: Option<&ListStart>,
) -> Result<Vec<Listed>, ApiError> {
    let newest = start.map_or(i64::MAX, |start| start.second);
    let mut found = Vec::new();
    let mut bytes = 0;
    let mut versions = history.versions_until(document, newest, PAGE_ITEMS + 1).await?;
    let mut is_before_start = start.is_some();
    while found.len() <= PAGE_ITEMS && (found.len() < LEAST_WHOLE || bytes < MAX_BYTES) {
        let Some(version) = versions.next().await? else { return Ok(found) };
        // Versions of the second of the first one may be newer than it.
        is_before_start &= start.is_some_and(|start| version.source_ts == start.second && *version.id != *start.id);
        if !is_before_start {
            bytes += version.document.as_ref().map_or(0, |document| document.to_string().len());
            found.push(Listed::Whole(Box::new(version)));
        }
    }
    if let Some(last) = found.last().filter(|_| found.len() <= PAGE_ITEMS) {
        let (second, order, id) = (last.source_ts(), last.order(), last.id().clone());
        let rest = history.outlines_before(document, second, &(order, id), PAGE_ITEMS + 1 - found.len()).await?;
        found.extend(rest.into_iter().map(Listed::Outline));
    }
    Ok(found)
}

fn removal(operation: Operation, inferred: bool) -> Markup {
    html! { span.muted { @if inferred { "found missing" } @else { (operation.name()) "d" } } }
}

impl Listed {
    fn whole(&self) -> Option<&Version> {
        match self {
            Self::Whole(version) => Some(version.as_ref()),
            Self::Outline(_) => None,
        }
    }

    fn id(&self) -> &VersionId {
        match self {
            Self::Whole(version) => &version.id,
            Self::Outline(outline) => &outline.id,
        }
    }

    fn operation(&self) -> Operation {
        match self {
            Self::Whole(version) => version.operation,
            Self::Outline(outline) => outline.operation,
        }
    }

    fn source_ts(&self) -> i64 {
        match self {
            Self::Whole(version) => version.source_ts,
            Self::Outline(outline) => outline.source_ts,
        }
    }

    fn order(&self) -> (i64, i64, bool) {
        match self {
            Self::Whole(version) => version.order(),
            Self::Outline(outline) => outline.order(),
        }
    }

    fn actor(&self) -> Option<&String> {
        match self {
            Self::Whole(version) => version.actor.as_ref(),
            Self::Outline(outline) => outline.actor.as_ref(),
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
    let omitted = [Some(version), previous].into_iter().flatten().map(|version| version.omitted.as_slice());
    let untracked = untracked.and_omitted_of(omitted);
    let changes = path_changes(Some(before), version.document.as_ref(), &untracked);
    Some(changes.iter().map(|change| change.to_field_change()).collect())
}
