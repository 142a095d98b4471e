//! Who set what: each field of a document, with the version that set it.

use changefeed_history::{Blame, BlameRequest, BlamedField, BlamedState, Origin};
use maud::{Markup, html};

use super::chosen_version::Chosen;
use super::document_parameters::{DocumentRequest, Part, View, With};
use super::document_part::more;
use super::elements::{empty, field, number, operation, restore_mark, value, writer};
use super::viewer::Viewer;
use crate::http::ApiError;
use crate::service::Service;

/// The fields on a page.
const PAGE_FIELDS: usize = 500;

/// The fields of a version with what set them.
///
/// # Errors
/// When the history cannot be read.
pub async fn blame(
    service: &Service,
    viewer: &Viewer,
    request: &DocumentRequest,
    chosen: &Chosen,
) -> Result<Markup, ApiError> {
    let id = request.version.as_ref().map(|_| chosen.version.id.to_string());
    let state = id.map_or(BlamedState::Live, BlamedState::Version);
    let asked = BlameRequest { document: request.document.clone(), state, max_versions: None };
    let found = service.changefeed.restores.blame(&asked).await?;
    let first = if let Part::Lines(first) = request.part { first } else { 0 };
    Ok(html! {
        section.panel aria-label="Who set what" {
            @match found {
                Blame::Version { source_ts, versions_read, fields, .. } => {
                    div.head {
                        h2 { "Who set what" }
                        span.muted { "as of " (viewer.time(source_ts)) " · " (number(versions_read)) " versions read" }
                    }
                    div.scroll tabindex="0" role="region" aria-label="Fields, which may be wider than the page" {
                        table.blame {
                            thead { tr { th { "Field" } th { "Value" } th { "Set" } th { "By" } } }
                            tbody { @for found in fields.iter().skip(first).take(PAGE_FIELDS) { (row(viewer, request, found)) } }
                        }
                    }
                    @let next = Some(first + PAGE_FIELDS).filter(|next| *next < fields.len());
                    (more(request, "fields", first, next, fields.len()))
                }
                Blame::Absent { .. } => { (empty("The document does not exist here.", &html! { p.muted { "Choose an earlier version." } })) }
                Blame::Unknown { .. } => { (empty("What the document was is not known.", &html! {})) }
            }
        }
    })
}

fn row(viewer: &Viewer, request: &DocumentRequest, found: &BlamedField) -> Markup {
    html! {
        tr {
            td { (field(&found.path)) }
            td.mono { (value(&found.value)) }
            @match &found.origin {
                Origin::Version(set_by) => {
                    td {
                        (operation(set_by.operation))
                        @if let Some(restore) = &set_by.by_restore { (restore_mark(restore)) }
                        " "
                        a href=(request.viewed(View::Compare).of_version(&set_by.version_id.to_string(), With::Previous).address()) data-open {
                            (viewer.time(set_by.source_ts))
                        }
                        @if !set_by.exact { " " span.pill { "not exact" } }
                    }
                    td.mono.muted { (writer(set_by.by_restore.is_some(), set_by.requested_by.as_deref(), set_by.actor.as_deref())) }
                }
                Origin::AtOrBefore { at_or_before } => {
                    td {
                        a href=(request.viewed(View::Compare).of_version(&at_or_before.to_string(), With::Previous).address()) data-open {
                            "in this version or an earlier one"
                        }
                    }
                    td {}
                }
                Origin::Unknown { .. } => { td.muted { "unknown" } td {} }
            }
        }
    }
}
