//! What a restore does, as a heading.

use changefeed_operations::{RestoreRequest, Selection, Target};
use maud::{Markup, html};

use super::document_link::document;
use super::elements::{counted, number};
use super::viewer::Viewer;

/// What a restore does: `Undo 10:31:04 – 10:40:12`.
pub fn heading(viewer: &Viewer, request: Option<&RestoreRequest>, undo_of: Option<&str>) -> Markup {
    if let Some(undone) = undo_of {
        // The id of a job begins with its second.
        let second = undone.split('-').next().and_then(|second| second.parse().ok());
        return html! {
            @match second {
                Some(second) => { "Undo of the restore of " (viewer.time(second)) }
                None => { "Undo of restore " span.mono { (undone) } }
            }
        };
    }
    let target = match request.map(|request| &request.target) {
        Some(Target::AsOf(time)) => html! { " as of " (viewer.time(time.second())) },
        Some(Target::Before(time)) => html! { " before " (viewer.time(time.second())) },
        Some(Target::Version(version)) => {
            html! { @match version.get(..10).and_then(|second| second.parse().ok()) { Some(second) => { " to " (viewer.time(second)) } None => { " to a version" } } }
        }
        Some(Target::Backup(_)) => html! { " from a backup" },
        Some(Target::BeforeWindow(_)) | None => html! {},
    };
    match request.map(|request| &request.selection) {
        Some(Selection::Window(selection)) => {
            let window = selection.versions.window;
            html! {
                "Undo " (viewer.range(window.from(), window.to()))
                @if let Some(actor) = &selection.versions.actor { " by " span.mono { (actor) } }
            }
        }
        Some(Selection::Documents(names)) => match names.as_slice() {
            [name] => {
                let fields = request.map_or(0, |request| request.fields.len());
                html! {
                    "Restore " @if fields > 0 { (counted(fields, "field", "fields")) " of " }
                    (document(&name.id, &name.partition_key)) (target)
                }
            }
            names => html! { "Restore " (number(names.len())) " documents" (target) },
        },
        Some(Selection::Partition(key)) => html! { "Restore partition " span.mono { (key) } (target) },
        Some(Selection::Filter { .. }) => html! { "Restore the documents of a filter" (target) },
        Some(Selection::All) => html! { "Restore every document" (target) },
        None => html! { "Restore" },
    }
}
