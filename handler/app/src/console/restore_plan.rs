//! The plan of a restore: what can be chosen, and the button that says what will be done.

use changefeed_history::LaterChanges;
use changefeed_operations::{Counts, RestoreRecord, RestoreRequest, WindowSelection};
use maud::{Markup, html};
use serde_json::{Value, json};

use super::address::API;
use super::elements::number;
use super::restore_form::{PlanForm, reads_only};

/// What happens to documents that were changed again after the window.
const LATER: [(LaterChanges, &str, &str); 4] = [
    (LaterChanges::Conflict, "conflict", "report as conflict"),
    (LaterChanges::Keep, "keep", "keep as they are"),
    (LaterChanges::Merge, "merge", "merge by field"),
    (LaterChanges::Overwrite, "overwrite", "overwrite"),
];

/// The choices of a plan that undoes a window. Each makes another plan.
pub fn choices(record: &RestoreRecord, request: &RestoreRequest, selection: &WindowSelection) -> Markup {
    let changed = |name: &str, value: Value| {
        let mut request = record.request.clone();
        request[name] = value;
        // The form takes it from the field.
        _ = request.as_object_mut().map(|request| request.shift_remove("reason"));
        if request["laterChanges"] != "merge" {
            _ = request.as_object_mut().map(|request| request.shift_remove("strict"));
        }
        request
    };
    let choice = |name: &str, value: Value, shown: &str, is_chosen: bool| {
        let button = html! { button aria-pressed=(is_chosen) disabled[is_chosen] { (shown) } };
        PlanForm { request: changed(name, value), content: &button, needs: None }.draw_button()
    };
    html! {
        section.panel data-writes aria-label="Choices" {
            div.body.row.choices {
                div {
                    div.muted { "Documents changed again after the window" }
                    div.choice role="group" aria-label="Documents changed again after the window" {
                        @for (later, name, shown) in LATER {
                            (choice("laterChanges", json!(name), shown, later == selection.later_changes))
                        }
                    }
                }
                div {
                    div.muted { "Documents created in the window" }
                    div.choice role="group" aria-label="Documents created in the window" {
                        (choice("deleteCreatedAfter", json!(false), "keep", !request.delete_created_after))
                        (choice("deleteCreatedAfter", json!(true), "delete", request.delete_created_after))
                    }
                }
            }
        }
    }
}

/// What the execution of a plan does: `Replace 388, merge 10 and delete 3 documents`; `None` if it writes nothing.
pub fn deeds(counts: &Counts) -> Option<String> {
    let all =
        [("replace", counts.replace), ("merge", counts.merge), ("create", counts.create), ("delete", counts.delete)];
    let parts: Vec<String> = all
        .iter()
        .filter(|(_, count)| *count > 0)
        .map(|(name, count)| format!("{name} {}", number(*count as usize)))
        .collect();
    let (last, first) = parts.split_last()?;
    let listed = if first.is_empty() { last.clone() } else { format!("{} and {last}", first.join(", ")) };
    let noun = if counts.writes() == 1 { "document" } else { "documents" };
    let mut letters = listed.chars();
    let capital = letters.next().map(|first| first.to_ascii_uppercase());
    Some(format!("{}{} {noun}", capital.into_iter().collect::<String>(), letters.as_str()))
}

/// The reason, and the button.
pub fn confirmation(record: &RestoreRecord, container: &str) -> Markup {
    let Some(deeds) = deeds(&record.counts) else {
        return html! { div.footer-bar { strong { "Nothing to write." } " " span.muted { "No document would change." } } };
    };
    html! {
        form.writes data-writes data-post={ (API) "/restores/" (record.id) "/execute" } data-next={ "restore?id=" (record.id) } {
            div.footer-bar.row {
                label.reason { "Reason" input name="reason" value=[&record.reason] maxlength="1000" autocomplete="off"; }
                p.muted.small { "What is overwritten is saved in the history first. The restore can be undone as a whole." }
                button.primary.right { (deeds) " in " (container) }
            }
        }
        (reads_only())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_button_says_what_it_does() {
        let counts = Counts { replace: 1388, merge: 10, create: 5, delete: 3, conflict: 7, ..Counts::default() };
        assert_eq!(deeds(&counts).as_deref(), Some("Replace 1,388, merge 10, create 5 and delete 3 documents"));
        let one = Counts { delete: 1, ..Counts::default() };
        assert_eq!(deeds(&one).as_deref(), Some("Delete 1 document"));
        assert_eq!(deeds(&Counts { conflict: 7, ..Counts::default() }), None);
    }
}
