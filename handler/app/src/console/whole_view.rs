//! A version of a document as it is.

use maud::{Markup, html};

use super::chosen_version::Chosen;
use super::document_parameters::DocumentRequest;
use super::elements::{empty, number};
use super::json_lines::{Line, lines_of};
use super::restore_form::restore_version;
use super::version_note::version_note;
use super::viewer::Viewer;

/// The lines on a page.
pub const PAGE_LINES: usize = 2000;

/// The lines of a version, page by page.
pub fn whole(viewer: &Viewer, request: &DocumentRequest, chosen: &Chosen) -> Markup {
    let version = &chosen.version;
    let lines = version.document.as_ref().filter(|_| !version.operation.is_removal()).map(lines_of).unwrap_or_default();
    let shown = lines.iter().skip(request.line).take(PAGE_LINES);
    html! {
        section.panel aria-label="Document" {
            div.head { h2 { "As of " (viewer.time(version.source_ts)) } span.muted { (number(lines.len())) " lines" } }
            @if lines.is_empty() {
                (empty("The document does not exist in this version.", &html! {}))
            } @else {
                div.diff { @for line in shown { (whole_line(line)) } }
            }
            (more_lines(request, lines.len()))
            (version_note(viewer, version))
        }
        @if !lines.is_empty() { (restore_version(request, version)) }
    }
}

fn whole_line(line: &Line) -> Markup {
    html! { div { span {} code { (indented(line)) } } }
}

/// The text of a line with its indentation.
pub fn indented(line: &Line) -> String {
    format!("{}{}", "  ".repeat(line.depth), line.text)
}

/// Links to the other lines of a long document.
pub fn more_lines(request: &DocumentRequest, total: usize) -> Markup {
    let at = |line: usize| request.address().with("line", line.to_string());
    html! {
        @if total > PAGE_LINES {
            div.foot.row {
                span.muted { "Lines " (number(request.line + 1)) " to " (number(total.min(request.line + PAGE_LINES))) " of " (number(total)) }
                span.right.row {
                    @if request.line > 0 { a href=(at(request.line.saturating_sub(PAGE_LINES))) { "Lines before" } }
                    @if request.line + PAGE_LINES < total { a.button href=(at(request.line + PAGE_LINES)) { "Next lines" } }
                }
            }
        }
    }
}
