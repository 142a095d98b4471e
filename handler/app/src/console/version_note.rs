//! What is known of a version beside its document.

use changefeed_history::Version;
use maud::{Markup, html};

use super::viewer::Viewer;

/// The foot of a panel that shows a version.
pub fn version_note(viewer: &Viewer, version: &Version) -> Markup {
    html! {
        div.foot.row {
            @if version.exact {
                span.muted title="The body is exactly the one that was stored" { "Exact" }
            } @else {
                span.pill title="The Functions host may have rewritten a date or a number in it" { "not exact" }
            }
            span.muted { "version" } code { (version.id) }
            @if !version.omitted.is_empty() {
                @let fields = version.omitted.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
                span.pill title="The document has these fields; they are never stored" { "without " (fields) }
            }
            @if let Some(expires) = version.expires_at { span.muted { "expires " (viewer.time(expires)) } }
            @if let Some(actor) = &version.actor { span.muted { "by " (actor) } }
        }
    }
}
