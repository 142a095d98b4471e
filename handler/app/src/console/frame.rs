//! What every page has around its content: the head, the navigation, and the dialogs of the shell.

use changefeed_cosmos::SourceName;
use maud::{DOCTYPE, Markup, html};

use super::address::API;
use super::asset::addresses;

/// The pages in the navigation: their names in addresses, and as they are shown.
pub const PAGES: [(&str, &str); 7] = [
    ("overview", "Overview"),
    ("find", "Find"),
    ("jobs", "Jobs"),
    ("restores", "Restores"),
    ("backups", "Backups"),
    ("verifications", "Verifications"),
    ("dead-letters", "Dead letters"),
];

/// Keys and what they do.
const KEYS: [(&str, &str); 16] = [
    ("/", "find"),
    ("j", "next row"),
    ("k", "previous row"),
    ("Enter", "open the row"),
    ("n", "next page"),
    ("←", "move the window back"),
    ("→", "move the window forward"),
    ("b", "choose the busiest time"),
    ("z", "zoom in: the window becomes the chart"),
    ("d", "compare with the version before"),
    ("l", "compare with the live document"),
    ("m", "mark a version"),
    ("x", "compare the marked versions"),
    ("r", "the main button of the page: restore, replay or repair"),
    ("Esc", "back: close, show everything, or go to the page above"),
    ("?", "these keys"),
];

/// Words of the pages and what they mean.
const WORDS: [(&str, &str); 18] = [
    ("version", "A document as it was after one write, or the mark of its delete. Versions are never changed."),
    ("write", "A create or a replace: the latest-version mode of the change feed does not distinguish them."),
    ("first known version", "No earlier version is known. The document may have existed before."),
    ("unknown", "The history does not reach back so far. That is not the same as: the document did not exist."),
    (
        "exact",
        "The stored body is byte for byte the one that was written. In one that is not exact, the Functions host may have rewritten a date or a number.",
    ),
    (
        "changed by",
        "What the document itself claims. A writer that leaves the field alone inherits the earlier name; a delete has none.",
    ),
    (
        "plan",
        "What a restore would do, document by document. It writes nothing. It is executed exactly as it was shown, once.",
    ),
    (
        "merge",
        "Only the fields that the chosen changes set are restored. A field that was changed later keeps its value.",
    ),
    ("conflict", "A document that has changed since the plan, or that needs a decision. It is not written."),
    (
        "undo",
        "A restore that reverts another restore: each document that it wrote returns to what it was before. It has a plan of its own.",
    ),
    (
        "mode",
        "What the change feed reports. In all-versions mode it reports every write and every delete. In latest-version mode it reports no deletes, and of several \
         writes within a moment only the last one.",
    ),
    (
        "found missing",
        "The change feed did not report this delete. A verification found that the document no longer exists; it was deleted at this time or before.",
    ),
    ("expire", "A delete by the service, because the document reached its time to live."),
    (
        "finding",
        "What a verification found wrong: a live version that the history lacks, a document that is gone without a delete, or a version that cannot be read back.",
    ),
    ("lease", "The record of how far a part of the container is captured, and of which instance captures it."),
    ("lag", "How many changes of a lease are not captured yet, or for how many seconds the oldest of them has waited."),
    (
        "dead letter",
        "A change that could not be captured. It is stored with the reason, and can be replayed or discarded.",
    ),
    (
        "complete since",
        "The retention removes old versions. Since this time the history has all versions that were captured.",
    ),
];

/// How a page is shown.
pub struct Frame<'f> {
    /// The title of the window.
    pub title: &'f str,
    /// The name of the page in its address.
    pub page: &'f str,
    /// The containers that it is about, if that is known: the shell does not know them.
    pub scope: &'f str,
    /// The sources to choose from; none if the app has one, and in the shell, whose script brings them.
    pub sources: &'f [SourceName],
    /// The chosen one.
    pub source: Option<&'f SourceName>,
    /// Whether the page is the shell: its script brings the content.
    pub is_shell: bool,
}

impl Frame<'_> {
    /// The page with its content.
    pub fn around(&self, content: &Markup) -> Markup {
        let assets = addresses();
        let base = format!("{API}/{}", if self.is_shell { "console" } else { "views" });
        html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    title { (self.title) }
                    link rel="icon" href=(assets.icon) type="image/svg+xml";
                    link rel="stylesheet" href=(assets.style);
                    @if self.is_shell { script type="module" src=(assets.script) {} }
                }
                body {
                    a.skip href="#main" { "Skip to the content" }
                    header {
                        div.top {
                            a.name href={ (base) "/overview" } { "changefeed" }
                            span.scope.mono id="scope" hidden[self.scope.is_empty()] { (self.scope) }
                            @if self.is_shell { select #source aria-label="Source" hidden {} }
                            @if !self.sources.is_empty() {
                                nav.choice aria-label="Sources" {
                                    @for source in self.sources {
                                        a href={ (base) "/" (self.page) "?source=" (source) } aria-current=[(Some(source) == self.source).then_some("true")] { (source) }
                                    }
                                }
                            }
                            nav aria-label="Pages" {
                                @for (name, shown) in PAGES {
                                    a href={ (base) "/" (name) } aria-current=[(name == self.page).then_some("page")] { (shown) }
                                }
                            }
                            @if self.is_shell { span #health hidden {} }
                            form.search action={ (base) "/document" } method="get" role="search" {
                                input #search name="id" placeholder="Find a document by id" aria-label="Find a document by id"
                                    autocomplete="off" spellcheck="false";
                                kbd aria-hidden="true" { "/" }
                            }
                        }
                    }
                    div #notice role="status" aria-live="polite" hidden {}
                    main #main tabindex="-1" { (content) }
                    footer {
                        @if self.is_shell {
                            button.plain type="button" data-opens="keys" { "Keys " kbd { "?" } }
                            button.plain type="button" data-opens="words" { "Words" }
                        } @else {
                            a.plain href={ (base) "/words" } { "Words" }
                        }
                    }
                    @if self.is_shell { (keys()) (words()) (sign_in()) }
                }
            }
        }
    }
}

fn keys() -> Markup {
    html! {
        dialog #keys aria-labelledby="keys-title" {
            form method="dialog" {
                h2 #keys-title { "Keys" }
                dl.keys {
                    @for (key, meaning) in KEYS {
                        div { dt { kbd { (key) } } dd { (meaning) } }
                    }
                }
                button autofocus { "Close" }
            }
        }
    }
}

fn words() -> Markup {
    html! {
        dialog #words aria-labelledby="words-title" {
            form method="dialog" {
                h2 #words-title { "Words" }
                div.meanings tabindex="0" role="region" aria-label="Words and their meanings" { (meanings()) }
                button autofocus { "Close" }
            }
        }
    }
}

/// The words of the pages with their meanings.
pub fn meanings() -> Markup {
    html! { dl.words { @for (word, meaning) in WORDS { dt { (word) } dd.muted { (meaning) } } } }
}

fn sign_in() -> Markup {
    html! {
        dialog #sign-in aria-labelledby="sign-in-title" {
            form method="dialog" {
                h2 #sign-in-title { "Function key" }
                p { "This app asks for a key. The key stays in this browser tab until you close it, and is sent as a header." }
                p #sign-in-error.error-text role="alert" hidden {}
                label for="function-key" { "Key" }
                input #function-key type="password" autocomplete="off" spellcheck="false" required;
                button.primary { "Continue" }
            }
        }
    }
}
