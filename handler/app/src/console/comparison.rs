//! A version compared with the one before it, with another one, or with the live document.

use changefeed_history::{Version, path_changes};
use maud::{Markup, html};
use serde_json::Value;

use super::chosen_version::Chosen;
use super::document_parameters::{DocumentRequest, With};
use super::elements::empty;
use super::json_lines::{Block, Line, Side, blocks, compare};
use super::restore_form::restore_fields;
use super::version_note::version_note;
use super::viewer::Viewer;
use super::whole_view::{PAGE_LINES, indented};
use crate::http::ApiError;
use crate::service::Service;

/// The most lines that a fold opens.
const FOLDED_LINES: usize = 500;

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
    let changes = path_changes(sides.before, sides.after, &untracked);
    let lines = compare(sides.before, sides.after);
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
            } @else if request.in_columns {
                (beside(&lines))
            } @else {
                (inline(&lines))
            }
            @if is_unknown { p.foot.muted { "The document before this version is not known." } }
            (version_note(viewer, &chosen.version))
        }
        @if let Some(version) = sides.restorable.filter(|_| !changes.is_empty()) { (restore_fields(request, version, &changes)) }
    })
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
            note: "this version and the live document",
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

/// Draws the blocks until there are enough lines.
fn drawn(lines: &[Line], draw: impl Fn(&[Line]) -> Markup) -> Markup {
    let mut left = PAGE_LINES;
    let mut shown = Vec::new();
    for block in blocks(lines) {
        if left == 0 {
            break;
        }
        let (markup, used) = match block {
            Block::Shown(lines) => (draw(&lines[..lines.len().min(left)]), lines.len()),
            Block::Folded(lines, description) => (folded(lines, &description, &draw), 1),
        };
        shown.push(markup);
        left = left.saturating_sub(used);
    }
    html! {
        @for block in shown { (block) }
        @if left == 0 { p.muted.more { "The comparison has more lines. Look at the whole document of each version." } }
    }
}

/// Equal lines, behind their description.
fn folded(lines: &[Line], description: &str, draw: &impl Fn(&[Line]) -> Markup) -> Markup {
    html! {
        details {
            summary.fold { span aria-hidden="true" { "⋯" } span { (description) } }
            (draw(&lines[..lines.len().min(FOLDED_LINES)]))
            @if lines.len() > FOLDED_LINES { p.muted.more { (lines.len() - FOLDED_LINES) " more lines are in the whole document" } }
        }
    }
}

fn inline(lines: &[Line]) -> Markup {
    let line = |line: &Line, note: &Markup| {
        let (class, sign, meaning) = match (line.side, &line.moved) {
            (Side::Both, _) => ("same", "", ""),
            (Side::Before, None) => ("minus", "−", "before: "),
            (Side::After, None) => ("plus", "+", "after: "),
            (Side::Before, Some(_)) => ("moved", "→", "moved from here: "),
            (Side::After, Some(_)) => ("moved", "←", "moved here: "),
        };
        html! {
            div class=(class) {
                span aria-hidden="true" { (sign) }
                code {
                    @if !meaning.is_empty() { span.hidden { (meaning) } }
                    (indented(line))
                    (note)
                }
            }
        }
    };
    let all =
        |lines: &[Line]| html! { @for (at, shown) in lines.iter().enumerate() { (line(shown, &note(lines, at))) } };
    html! { div.diff { (drawn(lines, all)) } }
}

/// Where a value is on the other side, at its first line.
fn note(lines: &[Line], at: usize) -> Markup {
    let is_first = at == 0 || lines[at - 1].moved != lines[at].moved;
    html! { @if let Some(note) = lines[at].moved_note().filter(|_| is_first) { " " span.moved-note { (note) } } }
}

/// Both sides beside each other. Lines of the first side are opposite to those of the second side that replace them.
fn beside(lines: &[Line]) -> Markup {
    let cell = |line: Option<&Line>, class: &'static str| {
        let class = line.map(|line| match (line.side, &line.moved) {
            (Side::Both, _) => "same",
            (_, Some(_)) => "moved",
            (_, None) => class,
        });
        html! {
            code class=[class] {
                @if let Some(line) = line {
                    (indented(line))
                    @if let Some(note) = line.moved_note() { " " span.moved-note { (note) } }
                }
            }
        }
    };
    let rows = |lines: &[Line]| {
        let runs = lines.chunk_by(|one, other| (one.side == Side::Both) == (other.side == Side::Both));
        html! {
            @for run in runs {
                @let (before, after) = opposite(run);
                @for at in 0..before.len().max(after.len()) {
                    div.pair { (cell(before.get(at).copied(), "minus")) (cell(after.get(at).copied(), "plus")) }
                }
            }
        }
    };
    html! { div.diff.beside { (drawn(lines, rows)) } }
}

fn opposite(run: &[Line]) -> (Vec<&Line>, Vec<&Line>) {
    let of = |without: Side| run.iter().filter(|line| line.side != without).collect();
    (of(Side::After), of(Side::Before))
}
