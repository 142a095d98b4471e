//! A version compared with the one before it, with another one, or with the live document.

use changefeed_history::{PathChange, Version, path_changes};
use maud::{Markup, html};
use serde_json::Value;

use super::chosen_version::Chosen;
use super::comparison_lines::page;
use super::document_parameters::{DocumentRequest, Part, With};
use super::document_part::whole_value;
use super::elements::empty;
use super::json_lines::compare;
use super::restore_form::{restore_fields, restore_other, restore_version};
use super::version_note::version_note;
use super::viewer::Viewer;
use crate::http::ApiError;
use crate::service::Service;

/// Both sides of a comparison; `None` stands for a document that does not exist.
struct Sides<'v> {
    heading: Markup,
    note: &'static str,
    before: Option<&'v Value>,
    after: Option<&'v Value>,
    /// The version of the first side, which can be restored.
    restorable: Option<&'v Version>,
}

/// The comparison, and the form that restores its first side.
///
/// # Errors
/// When the other version cannot be read.
pub async fn comparison(
    service: &Service,
    viewer: &Viewer,
    request: &DocumentRequest,
    chosen: &Chosen,
    live: Option<&Version>,
) -> Result<Markup, ApiError> {
    let history = &service.changefeed.history;
    let other = match &request.with {
        With::Version(id) => Some(history.version(&request.document, id).await?),
        With::Previous | With::Live => None,
    };
    let sides = sides(viewer, chosen, other.as_ref(), live, &request.with);
    let untracked = history.untracked_fields().await?;
    let shown = [Some(&chosen.version), other.as_ref(), chosen.previous.as_ref(), live];
    let untracked = untracked.and_omitted_of(shown.into_iter().flatten().map(|version| version.omitted.as_slice()));
    let changes = path_changes(sides.before, sides.after, &untracked);
    let lines = compare(sides.before, sides.after);
    if let Part::Value(line, character) = request.part {
        return Ok(html! { section.panel aria-label="Value" { (whole_value(request, &lines, line, character)) } });
    }
    let is_unknown = sides.before.is_none() && chosen.previous.is_none() && request.with == With::Previous;
    Ok(html! {
        section.panel aria-label="Comparison" {
            div.head {
                h2 { (sides.heading) }
                span.muted { (sides.note) }
                span.right.row { (layouts(request)) (others(request)) }
            }
            @if sides.before.is_none() && sides.after.is_none() {
                (empty("The document exists on neither side.", &html! {}))
            } @else if changes.is_empty() {
                (empty("No difference.", &html! { p.muted { "Every field has the same value on both sides." } }))
            } @else {
                (page(request, &lines))
            }
            @if is_unknown { p.foot.muted { "The document before this version is not known." } }
            (version_note(viewer, &chosen.version))
        }
        (restores(viewer, request, chosen, sides.restorable.filter(|_| !changes.is_empty()), live, &changes))
    })
}

/// The forms that restore the first side of a comparison, and the chosen version.
fn restores(
    viewer: &Viewer,
    request: &DocumentRequest,
    chosen: &Chosen,
    first: Option<&Version>,
    live: Option<&Version>,
    changes: &[PathChange<'_>],
) -> Markup {
    let is_live = |version: &Version| live.is_some_and(|live| live.etag == version.etag);
    let this = Some(&chosen.version).filter(|version| body(version).is_some() && !is_live(version));
    let are_all_fields = changes.iter().any(|change| change.path.segments().is_empty());
    html! {
        @match first {
            // Without a live document there are no fields to restore something in.
            Some(first) if live.is_none() || are_all_fields => { (restore_version(viewer, request, first)) }
            Some(first) => { (restore_fields(viewer, request, first, changes)) }
            None => { @if let Some(this) = this { (restore_version(viewer, request, this)) } }
        }
        @if let Some(this) = this.filter(|this| first.is_some_and(|first| first.id != this.id)) { (restore_other(viewer, request, this)) }
    }
}

fn body(version: &Version) -> Option<&Value> {
    version.document.as_ref().filter(|_| !version.operation.is_removal())
}

fn sides<'v>(
    viewer: &Viewer,
    chosen: &'v Chosen,
    other: Option<&'v Version>,
    live: Option<&'v Version>,
    with: &With,
) -> Sides<'v> {
    let version = &chosen.version;
    let time = |version: &Version| viewer.time(version.source_ts);
    match (with, other) {
        (With::Live, _) => Sides {
            heading: html! { "From " (time(version)) " to now" },
            note: if live.is_some() { "this version and the live document" } else { "the document does not exist now" },
            before: body(version),
            after: live.and_then(body),
            restorable: body(version).map(|_| version),
        },
        (_, Some(other)) => Sides {
            heading: html! { "From " (time(other)) " to " (time(version)) },
            note: "two versions",
            before: body(other),
            after: body(version),
            restorable: body(other).map(|_| other),
        },
        (_, None) => {
            let previous = chosen.previous.as_ref();
            let stored = previous.and_then(|previous| previous.document_before(version));
            Sides {
                heading: html! { "What " (time(version)) " changed" },
                note: "against the version before it",
                before: version.previous.as_ref().or(stored),
                after: body(version),
                restorable: previous.filter(|_| stored.is_some()),
            }
        }
    }
}

fn layouts(request: &DocumentRequest) -> Markup {
    let with = |in_columns| DocumentRequest { in_columns, ..request.clone() }.address();
    let current = |is_current: bool| is_current.then_some("true");
    html! {
        nav.choice aria-label="Layout" {
            a href=(with(false)) aria-current=[current(!request.in_columns)] { "inline" }
            a href=(with(true)) aria-current=[current(request.in_columns)] { "two columns" }
        }
    }
}

/// Links to the comparisons with the version before and with the live document.
fn others(request: &DocumentRequest) -> Markup {
    let with = |with| DocumentRequest { with, ..request.clone() }.address();
    html! {
        @if request.with != With::Previous { a.button href=(with(With::Previous)) data-key="d" { "Compare with previous " kbd { "d" } } }
        @if request.with != With::Live { a.button href=(with(With::Live)) data-key="l" { "Compare with live " kbd { "l" } } }
    }
}
