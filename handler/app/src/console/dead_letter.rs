//! A dead letter with its payload. It can be replayed; to discard it leads to a page that says what that means.

use changefeed_history::DeadLetter;
use maud::{Markup, html};

use super::address::Address;
use super::dead_letter_choice::{CHOSEN, NAME, document_id, replay};
use super::elements::{counted, number};
use super::restore_form::reads_only;
use super::viewer::Viewer;

/// The most characters of a payload that are shown.
const SHOWN_CHARACTERS: usize = 20_000;

/// The page of a dead letter.
pub fn one(viewer: &Viewer, found: &DeadLetter) -> Markup {
    let payload = found.payload.as_deref().unwrap_or_default();
    let shown: String = payload.chars().take(SHOWN_CHARACTERS).collect();
    html! {
        div.heading {
            h1 { "Dead letter: " (found.reason) @if let Some(id) = document_id(payload) { ", document " span.mono { (id) } } }
            div.muted { "Delivered " (viewer.written_time(&found.captured_at)) " to " (found.function) ". " span.zone { (viewer.zone_at(chrono::Utc::now().timestamp())) } }
        }
        p.notice { (found.message) }
        section.panel aria-label="Payload" {
            div.head { h2 { "Payload as it was delivered" } span.muted { (number(payload.len())) " bytes" } }
            pre.payload tabindex="0" { (shown) @if shown.len() < payload.len() { "…" } }
            div.foot.row {
                span.muted { (counted(found.attempts as usize, "failed replay", "failed replays")) @if let Some(time) = &found.attempted_at { ", the last one " (viewer.written_time(time)) } }
                @if found.rewritten_by_host { span.pill title="The Functions host may have rewritten a date or a number in it" { "not exact" } }
            }
        }
        div.writes data-writes {
            div.footer-bar.row {
                div { strong { "Capture it again, or discard it" } div.muted { "A replay stores the document as a version if that is possible now." } }
                span.right.row {
                    a.button href=(Address::of(NAME).with(CHOSEN, &found.id)) { "Discard…" }
                    (replay(std::slice::from_ref(&found.id), "Replay"))
                }
            }
        }
        (reads_only())
        p { a href=(NAME) data-key="Escape" { "All dead letters" } }
    }
}
