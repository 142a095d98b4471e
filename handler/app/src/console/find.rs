//! *Find*: what changed in a window of time. The chart shows when, the list below it what, and the side who.

use actix_web::HttpRequest;
use changefeed_history::{ChangeOrder, Operation, Previous, Window};
use changefeed_operations::{MarkedChange, MarkedChanges, WindowActivity, WindowActivityRequest, WindowChangesRequest};
use maud::{Markup, html};

use super::address::Address;
use super::chart::{Chart, bucket};
use super::document_link::{document, named};
use super::documents::kinds;
use super::elements::{
    change, counted, empty, field, letter, number, operation, pager, restore_mark, warnings, writer,
};
use super::find_parameters::{FindParameters, FindRequest, OPERATIONS, between};
use super::page::Page;
use super::restore_form::undo_window;
use super::viewer::{Viewer, utc};
use crate::http::{ApiError, Query};
use crate::service::Service;

const NAME: &str = "find";
const TITLE: &str = "What changed";
/// The versions on a page.
const PAGE_ITEMS: u32 = 50;
/// Times before now that are one click away.
const SINCE: [(&str, &str); 5] = [("15m", "15 min"), ("1h", "1 h"), ("24h", "24 h"), ("7d", "7 d"), ("30d", "30 d")];
/// The paths of a version whose values are not shown.
const SHOWN_PATHS: usize = 5;

/// The page for a request.
pub async fn view(request: &HttpRequest, service: &Service, viewer: &Viewer) -> Page {
    match Query::read(request, viewer.zone()) {
        Ok(parameters) => page(service, viewer, &parameters).await,
        Err(error) => Page::of_error(NAME, TITLE, &error, &heading(&html! {}, None)),
    }
}

async fn page(service: &Service, viewer: &Viewer, parameters: &FindParameters) -> Page {
    let request = match parameters.read(viewer) {
        Ok(request) => request,
        Err(message) => {
            let form = html! { (heading(&html! {}, None)) section.panel { (form(viewer, parameters, None)) } };
            return Page::of_error(NAME, TITLE, &ApiError::bad_request(message), &form);
        }
    };
    match content(service, viewer, parameters, &request).await {
        Ok(content) => Page {
            address: request.continuation.is_none().then(|| request.address()),
            ..Page::new(NAME, TITLE, content)
        },
        Err(error) => {
            let times = times(viewer, request.window);
            let form = html! { (heading(&times, Some(&request))) section.panel { (form(viewer, parameters, Some(&request))) } };
            Page::of_error(NAME, TITLE, &error, &form)
        }
    }
}

async fn content(
    service: &Service,
    viewer: &Viewer,
    parameters: &FindParameters,
    request: &FindRequest,
) -> Result<Markup, ApiError> {
    let windows = &service.changefeed.windows;
    let activity_of =
        |window| WindowActivityRequest { select: request.select(window), bucket: bucket(window), max_versions: None };
    let changes = WindowChangesRequest {
        select: request.select(request.window),
        order: request.order,
        values: true,
        max_items: Some(PAGE_ITEMS),
        continuation: request.continuation.clone(),
    };
    let (in_chart, in_window) = (activity_of(request.chart), activity_of(request.window));
    let (chart, window, changes) = tokio::join!(
        windows.activity(&in_chart),
        async { if request.chart == request.window { Ok(None) } else { windows.activity(&in_window).await.map(Some) } },
        windows.changes(&changes),
    );
    let (chart, window, changes) = (chart?, window?, changes?);
    let in_window = window.as_ref().unwrap_or(&chart);
    let drawn = Chart::new(request, viewer, &chart);
    let times = times(viewer, request.chart);
    Ok(html! {
        (heading(&times, Some(request)))
        (warnings(&request.warning.iter().chain(&chart.warnings).cloned().collect::<Vec<_>>()))
        section.panel aria-label="Activity" {
            (form(viewer, parameters, Some(request)))
            div.body { (drawn.draw()) }
            div.foot.row { (chips(request, &chart)) (moves(request, drawn.busiest())) }
        }
        div.two {
            section.panel aria-label="Versions" { (list(viewer, request, in_window.versions, &changes)) }
            aside.stack aria-label="In this window" {
                @if in_window.versions > 0 {
                    @if !request.operations.is_empty() { p.muted.small { "An undo takes back every operation of the window." } }
                    (undo_window(request.window, &request.filters, request.actor.as_deref()))
                }
                (largest(request, in_window))
            }
        }
    })
}

fn times(viewer: &Viewer, window: Window) -> Markup {
    html! { (viewer.range(window.from(), window.to())) " · " span.zone { (viewer.zone_at(window.to())) } }
}

fn heading(times: &Markup, request: Option<&FindRequest>) -> Markup {
    let since =
        |length| request.map_or_else(|| Address::of(NAME).with("from", length), |request| request.since(length));
    html! {
        div.row.heading {
            div { h1 { (TITLE) } div.muted { (times) } }
            (kinds(NAME))
            nav.choice aria-label="Time before now" { @for (length, shown) in SINCE { a href=(since(length)) { (shown) } } }
        }
    }
}

/// The form keeps what was written, also if it cannot be read.
fn form(viewer: &Viewer, parameters: &FindParameters, request: Option<&FindRequest>) -> Markup {
    let (from, to) = match request.map(|request| request.window) {
        Some(window) => (viewer.written(window.from()), viewer.written(window.to())),
        None => parameters.window_texts(),
    };
    let chart = request.filter(|request| request.chart != request.window).map(|request| request.chart);
    let input = |name: &str, label: &str, text: &str, hint: &str| {
        html! {
            label { span { (label) }
                input name=(name) value=(text) placeholder=(hint) autocomplete="off" spellcheck="false";
            }
        }
    };
    html! {
        form.head.filters method="get" action=(NAME) {
            (input("filter", "Filter", &parameters.filter_text(), "city_name=Davidson, id=28036, pk=28036"))
            (input("actor", "Changed by", parameters.actor_text(), "anyone"))
            (input("from", "From", &from, "10:31, yesterday, 2h"))
            (input("to", "To", &to, "now"))
            @for operation in request.iter().flat_map(|request| &request.operations) {
                input type="hidden" name="operation" value=(operation.name());
            }
            @if let Some(chart) = chart {
                input type="hidden" name="chartFrom" value=(utc(chart.from()));
                input type="hidden" name="chartTo" value=(utc(chart.to()));
            }
            button { "Show" }
        }
    }
}

/// The operations with their numbers. Each is a link that shows only it, or no longer.
fn chips(request: &FindRequest, chart: &WindowActivity) -> Markup {
    let count = |operation: Operation| -> usize {
        chart.items.iter().filter_map(|item| item.counts.get(operation.name())).sum()
    };
    let is_shown = |operation: Operation| count(operation) > 0 || request.operations.contains(&operation);
    let by_restore: usize = chart.items.iter().map(|item| item.by_restore).sum();
    html! {
        @for operation in OPERATIONS.into_iter().filter(|operation| is_shown(*operation)) {
            @let is_chosen = request.operations.contains(&operation);
            a.chip.chosen[is_chosen] href=(request.toggled(operation)) aria-current=[is_chosen.then_some("true")] {
                span class={ "op " (operation.name()) } aria-hidden="true" { (letter(operation)) }
                (operation.name()) " " (number(count(operation)))
                @if is_chosen { span.hidden { ": only these are shown" } }
            }
        }
        @if by_restore > 0 {
            span.chip title="Written by restores" { span.op.restore aria-hidden="true" { "S" } "by restores " (number(by_restore)) }
        }
    }
}

/// What moves the window: links, so that they need neither a mouse nor a script.
fn moves(request: &FindRequest, busiest: Option<Window>) -> Markup {
    let window = request.window;
    let length = window.to() - window.from() + 1;
    let back = between(window.from() - length, window.to() - length);
    let forward = between(window.from() + length, window.to() + length);
    let is_part = window != request.chart;
    html! {
        span.right.row.moves {
            @if let Some(busiest) = busiest.filter(|busiest| *busiest != window) {
                a href=(request.at(busiest)) data-key="b" { "Busiest time " kbd { "b" } }
            }
            @if is_part {
                a href=(request.in_chart(window, window)) data-key="z" { "Zoom in " kbd { "z" } }
                a href=(request.whole_chart()) data-key="Escape" { "Show everything " kbd { "Esc" } }
            }
            @if let Some(back) = back { a href=(request.at(back)) data-key="ArrowLeft" aria-label="Move the window back" { kbd { "←" } } }
            @if let Some(forward) = forward {
                a href=(request.at(forward)) data-key="ArrowRight" aria-label="Move the window forward" { kbd { "→" } }
            }
        }
    }
}

fn list(viewer: &Viewer, request: &FindRequest, total: usize, changes: &MarkedChanges) -> Markup {
    let next = changes.continuation.as_ref().map(|continuation| request.after(continuation));
    let first = request.continuation.is_some().then(|| request.address());
    let other_order = if request.order == ChangeOrder::Newest { "Oldest first" } else { "Newest first" };
    let shown = match (&first, &next) {
        (None, None) => counted(changes.items.len(), "version", "versions"),
        (None, Some(_)) => format!("the first {} of {}", changes.items.len(), number(total)),
        _ => format!("{} more of {}", changes.items.len(), number(total)),
    };
    let is_one_day = viewer.day(request.window.from()) == viewer.day(request.window.to());
    html! {
        div.head {
            h2 {
                @if is_one_day { (viewer.clock(request.window.from())) " – " (viewer.clock(request.window.to())) }
                @else { (viewer.time(request.window.from())) " – " (viewer.time(request.window.to())) }
            }
            span.muted { (counted(total, "version", "versions")) }
            a.right href=(request.reversed()) { (other_order) }
        }
        @if changes.items.is_empty() && next.is_none() { (nothing(request)) } @else {
            div.scroll tabindex="0" role="region" aria-label="Versions, which may be wider than the page" {
                table.rows {
                    thead {
                        tr { th { "Time" } th { span.hidden { "Operation" } } th { "Document" } th { "What changed" } th { "By" } }
                    }
                    tbody { @for item in &changes.items { (row(viewer, item, is_one_day)) } }
                }
            }
            (pager(&shown, first.as_ref(), next.as_ref()))
        }
    }
}

fn nothing(request: &FindRequest) -> Markup {
    let is_narrowed = !request.operations.is_empty() || !request.filters.is_empty() || request.actor.is_some();
    let rest = html! {
        @if is_narrowed { p.muted { "Versions of this time may be left out by the filter, the actor or the operations above." } }
        p { "Look at " a href=(request.since("24h")) { "the last 24 hours" } " or " a href=(request.since("7d")) { "the last 7 days" } "." }
    };
    empty("No document changed in this window.", &rest)
}

fn row(viewer: &Viewer, item: &MarkedChange, is_one_day: bool) -> Markup {
    let version = &item.change;
    let address = named(Address::of("document"), &version.id, &version.partition_key);
    html! {
        tr {
            td { @if is_one_day { (viewer.clock(version.source_ts)) } @else { (viewer.time(version.source_ts)) } }
            td.ops {
                (operation(version.operation))
                @if let Some(restore) = &item.by_restore { (restore_mark(restore)) }
            }
            td { a href=(address.with("version", version.version_id.to_string())) data-open { (document(&version.id, &version.partition_key)) } }
            td { (what(item)) }
            td.mono.muted { (actor(item)) }
        }
    }
}

/// What a version changed, in as many words as are known.
fn what(item: &MarkedChange) -> Markup {
    let version = &item.change;
    let others: Vec<_> =
        version.paths.iter().filter(|path| version.changes.iter().all(|change| change.path != **path)).collect();
    let total = version.paths_total.unwrap_or(version.paths.len());
    let left_out = total - version.changes.len() - others.len().min(SHOWN_PATHS);
    html! {
        @match (version.operation, version.previous) {
            (Operation::Delete, _) if version.inferred => { span.muted { "deleted; found missing at this time" } }
            (Operation::Delete, _) => { span.muted { "deleted" } }
            (Operation::Expire, _) => { span.muted { "expired by its time to live" } }
            (_, Previous::None) => { span.muted { "created" } }
            (_, Previous::Unknown) => { span.muted title="No earlier version is known" { "first known version" } }
            _ => {
                @for found in &version.changes { (change(found)) }
                @for path in others.iter().take(SHOWN_PATHS) { div.change { (field(path)) } }
                @if left_out > 0 { div.muted { "and " (counted(left_out, "more field", "more fields")) } }
                @if total == 0 { span.muted { "no field changed" } }
            }
        }
        @if !version.exact { " " span.pill title="The Functions host may have rewritten a date or a number in it" { "not exact" } }
    }
}

fn actor(item: &MarkedChange) -> Markup {
    html! {
        (writer(item.by_restore.is_some(), item.requested_by.as_deref(), item.change.actor.as_deref()))
    }
}

/// The fields, actors and documents with the most versions.
fn largest(request: &FindRequest, activity: &WindowActivity) -> Markup {
    html! {
        section.panel {
            div.head { h2 { "In this window" } }
            div.body.stack {
                @if !activity.fields.is_empty() {
                    div {
                        h3 { "Most changed fields" }
                        ul.counts { @for found in &activity.fields { li { (field(&found.path)) span.num { (number(found.versions)) } } } }
                        @if activity.fields_sampled < activity.versions {
                            p.muted.small { "Counted in " (counted(activity.fields_sampled, "version", "versions")) " of " (number(activity.versions)) }
                        }
                    }
                }
                @if !activity.actors.is_empty() {
                    div {
                        h3 { "Changed by" }
                        ul.counts {
                            @for found in &activity.actors {
                                li { a.mono href=(request.of_actor(Some(&found.actor))) { (found.actor) } span.num { (number(found.versions)) } }
                            }
                        }
                    }
                }
                @if !activity.documents.is_empty() {
                    div {
                        h3 { "Documents with the most versions" }
                        ul.counts {
                            @for found in &activity.documents {
                                li {
                                    a href=(named(Address::of("document"), &found.id, &found.partition_key)) { (document(&found.id, &found.partition_key)) }
                                    span.num { (number(found.versions)) }
                                }
                            }
                        }
                    }
                }
                @if activity.versions == 0 { p.muted { "Nothing" } }
                @if request.actor.is_some() { p { a href=(request.of_actor(None)) { "Show every actor" } } }
            }
        }
    }
}
