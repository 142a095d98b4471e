//! The versions of the last day, by the minute: how many there are now, on average and at most, and a chart.
//!
//! One read of the versions' times serves both. If a day has more versions than one read may take, the last hour is shown.

use changefeed_cosmos::{Error, ErrorKind};
use changefeed_history::{Bucket, BucketLength, Window};
use changefeed_operations::{WindowActivity, WindowActivityRequest};
use maud::{Markup, html};

use super::address::Address;
use super::chart::Chart;
use super::elements::{counted, number};
use super::find_parameters::{FindRequest, between};
use super::viewer::{Viewer, utc};
use crate::service::Service;

const MINUTE: i64 = 60;

/// A time that is shown: its seconds, the length of the bars of its chart, its name, and how *Find* is asked for it.
struct Span {
    seconds: i64,
    bar: &'static str,
    of_bar: &'static str,
    name: &'static str,
    from: &'static str,
}

const DAY: Span = Span { seconds: 86_400, bar: "10m", of_bar: "10 minutes", name: "The last 24 hours", from: "24h" };
const HOUR: Span = Span { seconds: 3600, bar: "1m", of_bar: "a minute", name: "The last hour", from: "1h" };

/// Versions in a minute.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Rates {
    /// In the last whole minute.
    now: usize,
    average: f64,
    most: usize,
    /// The first second of the minute with the most.
    most_at: i64,
}

/// The versions of the last day.
pub async fn day(service: &Service, viewer: &Viewer, now: i64) -> Markup {
    let (span, read) = match activity(service, now, &DAY).await {
        Err(error) if error.kind() == ErrorKind::TooWide => (&HOUR, activity(service, now, &HOUR).await),
        read => (&DAY, read),
    };
    html! {
        section.panel aria-label=(span.name) {
            @match read {
                Ok(activity) => {
                    div.head {
                        h2 { (span.name) }
                        span.muted { (counted(activity.versions, "version", "versions")) ", a bar for " (span.of_bar) }
                        a.right href=(Address::of("find").with("from", span.from)) data-open { "What changed" }
                    }
                    @if span.from == HOUR.from { p.notice { "The last 24 hours have more versions than one request reads, so this is the last hour." } }
                    div.body.stack { (rates(viewer, &activity)) (chart(viewer, &activity, span)) }
                }
                Err(error) => { div.head { h2 { (span.name) } } div.body { p.error-text { (error.to_string()) } } }
            }
        }
    }
}

async fn activity(service: &Service, now: i64, span: &Span) -> Result<WindowActivity, Error> {
    let window: Window = between(now - span.seconds, now)
        .ok_or_else(|| Error::invalid("reading the activity of the last day", "the clock is wrong"))?;
    let request = FindRequest::of_window(window);
    let asked = WindowActivityRequest { select: request.select(window), bucket: "1m".parse().ok(), max_versions: None };
    service.changefeed.windows.activity(&asked).await
}

fn versions(bucket: &Bucket) -> usize {
    bucket.counts.values().sum()
}

impl Rates {
    /// The rates of whole minutes; the first and the last one are not whole.
    fn of(minutes: &[(i64, usize)]) -> Option<Self> {
        let whole = minutes.get(1..minutes.len().checked_sub(1)?)?;
        let (_, now) = *whole.last()?;
        // Of several, the latest.
        let (most_at, most) = *whole.iter().max_by_key(|(_, versions)| *versions)?;
        let sum: usize = whole.iter().map(|(_, versions)| versions).sum();
        Some(Self { now, average: sum as f64 / whole.len() as f64, most, most_at })
    }
}

/// Versions in a minute: now, on average and at most. The most is a link to its minute.
fn rates(viewer: &Viewer, activity: &WindowActivity) -> Markup {
    let starts = activity.bucket.starts(activity.window);
    let minutes: Vec<(i64, usize)> = starts.zip(activity.items.iter().map(versions)).collect();
    let Some(rates) = Rates::of(&minutes) else { return html! {} };
    let average =
        if rates.average < 10.0 { format!("{:.1}", rates.average) } else { number(rates.average.round() as usize) };
    let minute = between(rates.most_at, rates.most_at + MINUTE - 1);
    html! {
        dl.rates aria-label="Versions per minute" {
            div { dt { "versions per minute" } dd.muted { "now " strong { (number(rates.now)) } } }
            div { dt.hidden { "average" } dd.muted { "average " strong { (average) } } }
            div {
                dt.hidden { "peak" }
                dd.muted {
                    "peak " strong { (number(rates.most)) }
                    @if rates.most > 0 { " at " a href=[minute.map(|minute| FindRequest::of_window(activity.window).at(minute))] { (viewer.clock(rates.most_at)) } }
                }
            }
        }
    }
}

fn chart(viewer: &Viewer, activity: &WindowActivity, span: &Span) -> Markup {
    let Ok(length) = span.bar.parse::<BucketLength>() else { return html! {} };
    let merged = merged(activity, length);
    let request = FindRequest::of_window(merged.window);
    Chart::new(&request, viewer, &merged).draw()
}

/// The same activity in longer buckets.
fn merged(activity: &WindowActivity, length: BucketLength) -> WindowActivity {
    let window = activity.window;
    let empty = |second| Bucket { from: utc(second), counts: std::collections::BTreeMap::new(), by_restore: 0 };
    let mut longer: Vec<Bucket> = length.starts(window).map(empty).collect();
    for (start, bucket) in activity.bucket.starts(window).zip(&activity.items) {
        let Some(sum) = longer.get_mut(length.number(window, start)) else { continue };
        for (operation, count) in &bucket.counts {
            *sum.counts.entry(operation.clone()).or_insert(0) += count;
        }
        sum.by_restore += bucket.by_restore;
    }
    WindowActivity { items: longer, bucket: length, ..activity.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_those_of_whole_minutes() {
        let minutes = [(0, 900), (60, 3), (120, 8), (180, 0), (240, 8), (300, 2), (360, 700)];
        let rates = Rates::of(&minutes);
        assert_eq!(rates, Some(Rates { now: 2, average: 4.2, most: 8, most_at: 240 }));
        assert_eq!(Rates::of(&[(0, 1), (60, 1)]), None);
        assert_eq!(Rates::of(&[]), None);
    }
}
