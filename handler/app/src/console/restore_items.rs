//! The documents of a restore, field by field: what they are now, and what they become.

use changefeed_history::VersionId;
use changefeed_operations::{Action, Counts, PlannedItem, RestoreItemsRequest, RestoreRecord};
use maud::{Markup, html};

use super::address::Address;
use super::document_link::{document, named};
use super::elements::{change, counted, empty, field, number, pager, value};
use super::restore_parameters::{ACTIONS, Shown, count_of, restore};
use super::viewer::Viewer;
use crate::http::ApiError;
use crate::service::Service;

/// The documents on a page.
const PAGE_ITEMS: usize = 100;
/// The most requests for a page. A request has at least one document, and often fewer than it asks for.
const MAX_REQUESTS: usize = 10;
/// The most fields of a document that are shown at once.
const SHOWN_CHANGES: usize = 6;
/// The most fields of a document that can be opened, and of all documents of a page.
const OPENED_CHANGES: usize = 200;
const OPENED_CHANGES_OF_PAGE: usize = 2000;

/// How far a restore is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// It is a plan.
    Plan,
    /// Its documents are being written.
    UnderWay,
    /// It has ended.
    Result,
}

/// The documents of a restore with one action.
pub struct Items {
    found: Vec<PlannedItem>,
    action: Option<Action>,
    is_first: bool,
    next: Option<String>,
}

impl Items {
    /// Reads the documents that a request shows: those with its action, or with the first action that any document has.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn read(service: &Service, record: &RestoreRecord, shown: &Shown) -> Result<Self, ApiError> {
        let first = ACTIONS.iter().map(|(action, _)| *action).find(|action| count_of(&record.counts, *action) > 0);
        let action = shown.action.or(first);
        let (mut found, mut next) = (Vec::new(), shown.continuation.clone());
        for _ in 0..MAX_REQUESTS {
            let request = RestoreItemsRequest {
                action: action.into_iter().collect(),
                max_items: Some((PAGE_ITEMS - found.len()) as u32),
                continuation: next,
            };
            let page = service.changefeed.restores.items_page(&record.id, &request).await?;
            found.extend(page.items);
            next = page.continuation;
            if next.is_none() || found.len() >= PAGE_ITEMS {
                break;
            }
        }
        Ok(Self { found, action, is_first: shown.continuation.is_none(), next })
    }

    /// The table of the documents, with a tab for each action.
    pub fn draw(&self, viewer: &Viewer, id: &str, counts: &Counts, stage: Stage) -> Markup {
        let total = self.action.map_or(0, |action| count_of(counts, action)) as usize;
        let (now, then) = match stage {
            Stage::Plan if self.action == Some(Action::Conflict) => ("When planned", "If it was overwritten"),
            Stage::Plan => ("When planned", "After"),
            Stage::UnderWay => ("When planned", "Planned"),
            Stage::Result => ("Before", "After"),
        };
        let name = ACTIONS.iter().find(|(action, _)| Some(*action) == self.action).map_or("", |(_, name)| name);
        let first = restore(id).with("action", name);
        let next = self.next.as_ref().map(|next| first.clone().with("continuation", next));
        let shown = match (self.is_first, &next) {
            (true, None) => counted(self.found.len(), "document", "documents"),
            (true, Some(_)) => format!("the first {} of {}", self.found.len(), number(total)),
            (false, _) => format!("{} more of {}", self.found.len(), number(total)),
        };
        let mut left = OPENED_CHANGES_OF_PAGE;
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
                            @for item in &self.found { (rows(viewer, item, stage, &mut left)) }
                        }
                    }
                    (pager(&shown, (!self.is_first).then_some(&first), next.as_ref()))
                }
            }
        }
    }
}

/// The rows of a document: a field each. `left` is the number of fields that can still be opened on the page.
fn rows(viewer: &Viewer, item: &PlannedItem, stage: Stage, left: &mut usize) -> Markup {
    let address = named(Address::of("document"), &item.id, &item.partition_key);
    // What was not written has no values before and after.
    let is_not_written = matches!(item.action, Action::Conflict | Action::Failed | Action::Unknown);
    let all = if is_not_written && stage == Stage::Result { &[][..] } else { &item.changes[..] };
    let changes = all.len().min(SHOWN_CHANGES);
    let kept = item.kept_paths.len().min(SHOWN_CHANGES);
    let others = &all[changes..];
    let opened = &others[..others.len().min(OPENED_CHANGES).min(*left)];
    *left -= opened.len();
    let left_out = others.len() - opened.len() + item.kept_paths.len() - kept;
    let lines = (changes + kept + usize::from(!opened.is_empty()) + usize::from(left_out > 0)).max(1);
    let head = html! {
        td rowspan=(lines) {
            a href=(address.with("with", "live")) data-open { (document(&item.id, &item.partition_key)) }
            @if let Some(message) = &item.message { div.muted.small { (explained(viewer, item, message)) } }
        }
    };
    let mut cells: Vec<Markup> = all.iter().take(changes).map(|change| html! {
        td { (field(&change.path)) }
        td.mono { @match &change.before { Some(before) => { del.was { (value(before)) } } None => { span.muted { "none" } } } }
        td.mono { @match &change.after { Some(after) => { ins.now { (value(after)) } } None => { span.muted { "removed" } } } }
    }).collect();
    cells.extend(item.kept_paths.iter().take(kept).map(|path| {
        html! {
            td { (field(path)) } td.muted { "changed later" } td.muted { "stays" }
        }
    }));
    if !opened.is_empty() {
        cells.push(html! {
            td colspan="3" {
                details {
                    summary { (counted(opened.len(), "more field", "more fields")) }
                    @for found in opened { (change(found)) }
                }
            }
        });
    }
    if left_out > 0 {
        cells.push(html! {
            td.muted colspan="3" { "and " (counted(left_out, "more field", "more fields")) "; open the document to see all" }
        });
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

/// The reason of an action. A version that it names is a link with its time.
fn explained(viewer: &Viewer, item: &PlannedItem, message: &str) -> Markup {
    const VERSION: &str = "by version ";
    let named_version = message.split_once(VERSION).and_then(|(before, rest)| {
        let id = rest.split([' ', ',', ';']).next()?;
        let second = id.get(..VersionId::TIME_DIGITS)?.parse().ok()?;
        Some((before, id, second, &rest[id.len()..]))
    });
    html! {
        @match named_version {
            Some((before, id, second, after)) => {
                (before) "by the "
                a href=(named(Address::of("document"), &item.id, &item.partition_key).with("version", id)) { "version of " (viewer.time(second)) }
                (after)
            }
            None => (message),
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
        Action::Conflict => "is not written; open it to compare and to restore it by itself",
        Action::Failed => "could not be written",
    }
}
