//! The documents of a restore, field by field: what they are now, and what they become.

use changefeed_cosmos::PageRequest;
use changefeed_operations::{Action, Counts, PlannedItem, RestoreRecord};
use maud::{Markup, html};

use super::address::Address;
use super::document_link::{document, named};
use super::elements::{empty, field, number, value};
use super::restore_parameters::{ACTIONS, Shown, count_of, restore};
use crate::http::ApiError;
use crate::service::Service;

/// The documents on a page.
const PAGE_ITEMS: usize = 100;
/// The documents that one request to the history reads.
const READ_ITEMS: u32 = 1000;
/// The most documents that are read for a page.
const MAX_READ: usize = 20_000;
/// The most fields of a document that are shown at once.
const SHOWN_CHANGES: usize = 6;

/// The documents of a restore with one action.
pub struct Items {
    found: Vec<PlannedItem>,
    action: Option<Action>,
    skip: usize,
    /// Whether documents were left out because there are too many.
    is_partial: bool,
}

impl Items {
    /// Reads the documents that a request shows: those with its action, or with the first action that any document has.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn read(service: &Service, record: &RestoreRecord, shown: Shown) -> Result<Self, ApiError> {
        let first = ACTIONS.iter().map(|(action, _)| *action).find(|action| count_of(&record.counts, *action) > 0);
        let action = shown.action.or(first);
        let (mut found, mut read, mut seen) = (Vec::new(), 0, 0);
        let mut request = PageRequest { max_items: Some(READ_ITEMS), continuation: None };
        while found.len() < PAGE_ITEMS && read < MAX_READ {
            let page = service.changefeed.restores.items_page(&record.id, &request).await?;
            read += page.items.len();
            for item in page.items.into_iter().filter(|item| Some(item.action) == action) {
                seen += 1;
                if seen > shown.skip && found.len() < PAGE_ITEMS {
                    found.push(item);
                }
            }
            request.continuation = page.continuation;
            if request.continuation.is_none() {
                break;
            }
        }
        Ok(Self { is_partial: read >= MAX_READ && request.continuation.is_some(), found, action, skip: shown.skip })
    }

    /// The table of the documents, with a tab for each action.
    pub fn draw(&self, id: &str, counts: &Counts, is_plan: bool) -> Markup {
        let total = self.action.map_or(0, |action| count_of(counts, action));
        let next = self.skip + self.found.len();
        let (now, then) = if is_plan { ("Now", "After") } else { ("Before", "After") };
        html! {
            section.panel aria-label="Documents" {
                div.head {
                    h2 { "Documents" }
                    nav.choice aria-label="Action" {
                        @for (action, name) in ACTIONS.into_iter().filter(|(action, _)| count_of(counts, *action) > 0) {
                            a href=(restore(id).with("action", name)) aria-current=[(Some(action) == self.action).then_some("true")] {
                                (name) " " (number(count_of(counts, action) as usize))
                            }
                        }
                    }
                }
                @if self.found.is_empty() { (empty("No documents.", &html! {})) } @else {
                    div.scroll tabindex="0" role="region" aria-label="Documents, which may be wider than the page" {
                        table.items {
                            thead { tr { th { "Document" } th { "Field" } th { (now) } th { (then) } } }
                            @for item in &self.found { (rows(item)) }
                        }
                    }
                    div.foot.row {
                        span.muted {
                            (number(self.skip + 1)) " to " (number(next)) " of " (number(total as usize))
                            @if self.is_partial { "; the others are in the answer of the HTTP API" }
                        }
                        @if (next as u64) < total && !self.is_partial {
                            @let name = ACTIONS.iter().find(|(action, _)| Some(*action) == self.action).map_or("", |(_, name)| name);
                            a.button.right href=(restore(id).with("action", name).with("skip", next.to_string())) data-key="n" { "Next page" }
                        }
                    }
                }
            }
        }
    }
}

/// The rows of a document: a field each.
fn rows(item: &PlannedItem) -> Markup {
    let address = named(Address::of("document"), &item.id, &item.partition_key);
    let changes = item.changes.len().min(SHOWN_CHANGES);
    let kept = item.kept_paths.len().min(SHOWN_CHANGES);
    let left_out = item.changes.len() - changes + item.kept_paths.len() - kept;
    let lines = (changes + kept + usize::from(left_out > 0)).max(1);
    let head = html! {
        td rowspan=(lines) {
            a href=(address.with("with", "live")) data-open { (document(&item.id, &item.partition_key)) }
            @if let Some(message) = &item.message { div.muted.small { (message) } }
        }
    };
    let mut cells: Vec<Markup> = item.changes.iter().take(changes).map(|change| html! {
        td { (field(&change.path)) }
        td.mono { @match &change.before { Some(before) => { del.was { (value(before)) } } None => { span.muted { "none" } } } }
        td.mono { @match &change.after { Some(after) => { ins.now { (value(after)) } } None => { span.muted { "removed" } } } }
    }).collect();
    cells.extend(item.kept_paths.iter().take(kept).map(|path| {
        html! {
            td { (field(path)) } td.muted { "changed later" } td.muted { "stays" }
        }
    }));
    if left_out > 0 {
        cells.push(html! { td.muted colspan="3" { "and " (number(left_out)) " more fields" } });
    }
    if cells.is_empty() {
        cells.push(html! { td.muted colspan="3" { (without_fields(item.action)) } });
    }
    html! {
        tbody {
            @for (at, cell) in cells.iter().enumerate() { tr { @if at == 0 { (head) } (cell) } }
        }
    }
}

/// What is said of a document without changed fields.
fn without_fields(action: Action) -> &'static str {
    match action {
        Action::Create => "is created",
        Action::Replace => "is replaced; open it to compare",
        Action::Merge => "is merged; open it to compare",
        Action::Delete => "is deleted",
        Action::Unchanged => "is as it should be",
        Action::Kept => "stays as it is",
        Action::Unknown => "the history does not reach back far enough; it stays as it is",
        Action::Conflict => "stays as it is until you decide",
        Action::Failed => "could not be written",
    }
}
