//! A version of a document as it is.

use maud::{Markup, html};

use super::chosen_version::Chosen;
use super::document_parameters::{DocumentRequest, Part};
use super::document_part::{PAGE_CHARACTERS, PAGE_LINES, fitting, more, text, whole_value};
use super::elements::{empty, number};
use super::json_lines::lines_of;
use super::restore_form::restore_version;
use super::version_note::version_note;
use super::viewer::Viewer;

/// The lines of a version, page by page.
pub fn whole(viewer: &Viewer, request: &DocumentRequest, chosen: &Chosen) -> Markup {
    let version = &chosen.version;
    let lines = version.document.as_ref().filter(|_| !version.operation.is_removal()).map(lines_of).unwrap_or_default();
    let first = match request.part {
        Part::Value(line, character) => {
            return html! { section.panel aria-label="Value" { (whole_value(request, &lines, line, character)) } };
        }
        Part::Lines(line) | Part::Fold(line) => line.min(lines.len()),
    };
    let shown = fitting(&lines[first..], PAGE_LINES, PAGE_CHARACTERS);
    let next = Some(first + shown.len()).filter(|next| *next < lines.len());
    html! {
        section.panel aria-label="Document" {
            div.head { h2 { "As of " (viewer.time(version.source_ts)) } span.muted { (number(lines.len())) " lines" } }
            @if lines.is_empty() {
                (empty("The document does not exist in this version.", &html! {}))
            } @else {
                div.diff {
                    @for (at, line) in shown.iter().enumerate() {
                        div { span {} code { (text(request, line, first + at)) } }
                    }
                }
            }
            (more(request, "lines", first, next, lines.len()))
            (version_note(viewer, version))
        }
        @if !lines.is_empty() { (restore_version(viewer, request, version)) }
    }
}
