//! Forms that make the plan of a restore. The script sends them to the HTTP API; nothing is written before the plan is confirmed.

use changefeed_cosmos::DocumentName;
use changefeed_history::{PathChange, Version, Window};
use maud::{Markup, html};
use serde_json::{Value, json};

use super::document_parameters::DocumentRequest;
use super::elements::{field, number};
use super::viewer::Viewer;

/// The most fields with a box of their own.
const SHOWN_FIELDS: usize = 1000;
/// The number of fields from which on they can be chosen all at once.
const MANY_FIELDS: usize = 4;

/// What a form for a plan has.
pub struct PlanForm<'f> {
    /// The request, without what makes it a plan.
    pub request: Value,
    /// The content: fields and the button.
    pub content: &'f Markup,
    /// The name of an input of which at least one must be given.
    pub needs: Option<&'static str>,
}

impl PlanForm<'_> {
    /// The form of a button that stands among others.
    pub fn draw_button(self) -> Markup {
        let mut body = self.request;
        (body["dryRun"], body["store"]) = (true.into(), true.into());
        html! { form.one data-post="/api/restores" data-body=(body) data-next="restore?id={id}" data-takes="reason" { (self.content) } }
    }

    /// The form. A reader without the right to write sees a sentence instead.
    pub fn draw(self) -> Markup {
        let mut body = self.request;
        (body["dryRun"], body["store"]) = (true.into(), true.into());
        html! {
            form.writes data-writes data-post="/api/restores" data-body=(body) data-next="restore?id={id}" data-needs=[self.needs] { (self.content) }
            (reads_only())
        }
    }
}

/// What a reader without the right to write sees instead of a form.
pub fn reads_only() -> Markup {
    html! {
        p.reads-only.muted { "This key can read, and not write." }
        p.no-script.muted { "Writing needs JavaScript, or the command line." }
    }
}

fn request_of(document: &DocumentName, version: &Version) -> Value {
    json!({"id": document.id, "partitionKey": document.partition_key, "version": version.id})
}

/// The form that undoes what versions of a window did.
pub fn undo_window(window: Window, filters: &[String], actor: Option<&str>) -> Markup {
    let (from, to) = window.times();
    let mut request =
        json!({"changedBetween": {"from": from, "to": to}, "laterChanges": "merge", "deleteCreatedAfter": true});
    if !filters.is_empty() {
        request["filter"] = json!(filters);
    }
    if let Some(actor) = actor {
        request["actor"] = json!(actor);
    }
    let what = if filters.is_empty() && actor.is_none() { "Undo this window…" } else { "Undo these changes…" };
    let content = html! {
        button.primary.wide data-key="r" { (what) " " kbd { "r" } }
        p.muted.small.center { "Shows a plan first. Nothing is written yet." }
    };
    PlanForm { request, content: &content, needs: None }.draw()
}

/// The form that restores a whole version.
pub fn restore_version(viewer: &Viewer, request: &DocumentRequest, version: &Version) -> Markup {
    let content = html! {
        div.footer-bar.row {
            div { strong { "Restore the version of " (viewer.time(version.source_ts)) } div.muted { "Shows a plan first. Nothing is written yet." } }
            button.primary.right data-key="r" { "Preview: all of " (request.document.id) " as of " (viewer.clock_text(version.source_ts)) " " kbd { "r" } }
        }
    };
    PlanForm { request: request_of(&request.document, version), content: &content, needs: None }.draw()
}

/// The button that restores a version beside the form for another one.
pub fn restore_other(viewer: &Viewer, request: &DocumentRequest, version: &Version) -> Markup {
    let content = html! {
        div.footer-bar.row {
            div.muted { "Or restore the version of " (viewer.time(version.source_ts)) ", which is chosen." }
            button.right { "Preview: all of " (request.document.id) " as of " (viewer.clock_text(version.source_ts)) }
        }
    };
    PlanForm { request: request_of(&request.document, version), content: &content, needs: None }.draw()
}

/// The form that restores fields of the first side of a comparison.
pub fn restore_fields(
    viewer: &Viewer,
    request: &DocumentRequest,
    version: &Version,
    changes: &[PathChange<'_>],
) -> Markup {
    let content = html! {
        div.footer-bar {
            div.row {
                div {
                    strong { "Restore values of " (viewer.time(version.source_ts)) }
                    div.muted { "Choose the fields; the rest of the live document stays." }
                }
                button.primary.right data-key="r" { "Preview: these fields of " (request.document.id) " as of " (viewer.clock_text(version.source_ts)) " " kbd { "r" } }
            }
            fieldset.row.fields {
                legend.hidden { "Fields to restore" }
                @if changes.len() >= MANY_FIELDS {
                    span.row { button.plain type="button" data-checks="all" { "All" } button.plain type="button" data-checks="none" { "None" } }
                }
                @for change in changes.iter().take(SHOWN_FIELDS) {
                    label.chip.box { input type="checkbox" name="fields[]" value=(change.path.pointer()) checked; (field(&change.path)) }
                }
            }
            @if changes.len() > SHOWN_FIELDS {
                label.row.other-field {
                    span.muted { (number(changes.len() - SHOWN_FIELDS)) " more fields are not listed. Another field, as a JSON Pointer:" }
                    input name="fields[]" placeholder="/address/city" autocomplete="off" spellcheck="false";
                }
            }
        }
    };
    PlanForm { request: request_of(&request.document, version), content: &content, needs: Some("fields[]") }.draw()
}
