//! The activity of a window as a chart: a bar for each bucket, of the operations in it. A bar is a link to its own window. The script adds
//! that a window is chosen by dragging.

use changefeed_history::{Bucket, BucketLength, Window};
use changefeed_operations::WindowActivity;
use maud::{Markup, html};

use super::elements::counted;
use super::find_parameters::{FindRequest, OPERATIONS, between};
use super::viewer::{Viewer, utc};

/// The width of a bucket and the height of the chart, in units of the drawing. The drawing is stretched to the page.
const BUCKET: usize = 10;
const HEIGHT: usize = 100;
/// Above this length of the chart, its labels have days.
const LABELS_WITH_DAYS: i64 = 36 * 3600;
/// Above this length, they have no seconds.
const LABELS_IN_MINUTES: i64 = 1800;
/// A bucket belongs to the busiest time if it has at least this part of the versions of the busiest one.
const BUSY_PART: usize = 10;
/// How far apart two buckets of the busiest time are at most.
const MOST_GAP: usize = 2;

/// The lengths of buckets with their seconds, and the most buckets of a chart.
const LENGTHS: [(&str, i64); 13] = [
    ("1s", 1),
    ("5s", 5),
    ("10s", 10),
    ("30s", 30),
    ("1m", 60),
    ("5m", 300),
    ("10m", 600),
    ("30m", 1800),
    ("1h", 3600),
    ("6h", 21_600),
    ("1d", 86_400),
    ("7d", 604_800),
    ("30d", 2_592_000),
];
const MOST_BUCKETS: i64 = 90;

/// The length of the buckets of a chart: the shortest of the usual ones with which it is not too dense.
pub fn bucket(window: Window) -> Option<BucketLength> {
    let seconds = window.to() - window.from();
    let (text, _) = LENGTHS.iter().find(|(_, length)| seconds / length <= MOST_BUCKETS)?;
    text.parse().ok()
}

/// A bucket with its seconds.
struct Bar<'a> {
    bucket: &'a Bucket,
    from: i64,
    to: i64,
    versions: usize,
}

/// A chart of the buckets of a window.
pub struct Chart<'a> {
    request: &'a FindRequest,
    viewer: &'a Viewer,
    activity: &'a WindowActivity,
    bars: Vec<Bar<'a>>,
}

impl<'a> Chart<'a> {
    /// The chart of an activity.
    pub fn new(request: &'a FindRequest, viewer: &'a Viewer, activity: &'a WindowActivity) -> Self {
        let window = activity.window;
        let starts: Vec<i64> = activity.bucket.starts(window).collect();
        let end = |at: usize| starts.get(at + 1).map_or(window.to(), |next| next - 1);
        let bars = activity.items.iter().zip(&starts).enumerate().map(|(at, (bucket, start))| Bar {
            bucket,
            from: (*start).max(window.from()),
            to: end(at),
            versions: bucket.counts.values().sum(),
        });
        Self { request, viewer, activity, bars: bars.collect() }
    }

    /// The time around the busiest bucket in which the others are not much less busy; `None` if that is everything, or nothing.
    pub fn busiest(&self) -> Option<Window> {
        let versions: Vec<usize> = self.bars.iter().map(|bar| bar.versions).collect();
        let (first, last) = busiest(&versions)?;
        between(self.bars[first].from, self.bars[last].to)
    }

    /// The chart with its axes.
    pub fn draw(&self) -> Markup {
        let most = self.bars.iter().map(|bar| bar.versions).max().unwrap_or_default();
        let top = ceiling(most);
        let width = self.bars.len() * BUCKET;
        let half = if top.is_multiple_of(2) { (top / 2).to_string() } else { String::new() };
        html! {
            figure.chart {
                div.y.muted aria-hidden="true" { span { (top) } span { (half) } span { "0" } }
                svg viewBox={ "0 0 " (width) " " (HEIGHT) } preserveAspectRatio="none" role="group" aria-label=(self.summary(most))
                    data-chart=(self.request.chosen_in_chart())
                    data-starts=(self.starts()) {
                    @for height in [0, HEIGHT / 2] {
                        line.grid x1="0" x2=(width) y1=(height) y2=(height) vector-effect="non-scaling-stroke" {}
                    }
                    (self.chosen())
                    @for (at, bar) in self.bars.iter().enumerate().filter(|(_, bar)| bar.versions > 0) { (self.bar(at, bar, top)) }
                    line.axis x1="0" x2=(width) y1=(HEIGHT) y2=(HEIGHT) vector-effect="non-scaling-stroke" {}
                }
                div.x.muted aria-hidden="true" { @for label in self.labels() { span { (label) } } }
            }
        }
    }

    /// The first seconds of the bars and the last second of the last one, for the script.
    fn starts(&self) -> String {
        let starts = self.bars.iter().map(|bar| bar.from);
        let all = starts.chain(self.bars.last().map(|bar| bar.to + 1));
        all.map(|second| second.to_string()).collect::<Vec<_>>().join(" ")
    }

    fn summary(&self, most: usize) -> String {
        let length = self.activity.bucket;
        let versions = counted(self.activity.versions, "version", "versions");
        match self.bars.iter().find(|bar| bar.versions == most) {
            Some(bar) if most > 0 => {
                format!("{versions} in buckets of {length}; the most, {most}, at {}", self.when(bar.from))
            }
            _ => format!("{versions} in buckets of {length}"),
        }
    }

    /// The window of the list, behind the bars.
    fn chosen(&self) -> Markup {
        let window = self.request.window;
        let inside = |bar: &Bar<'_>| bar.from <= window.to() && window.from() <= bar.to;
        let first = self.bars.iter().position(inside);
        let count = self.bars.iter().filter(|bar| inside(bar)).count();
        let is_all = window == self.request.chart;
        html! {
            @if let Some(first) = first.filter(|_| !is_all) {
                rect.chosen x=(first * BUCKET) y="0" width=(count * BUCKET) height=(HEIGHT) {}
                @for edge in [first, first + count] {
                    line.edge x1=(edge * BUCKET) x2=(edge * BUCKET) y1="0" y2=(HEIGHT) vector-effect="non-scaling-stroke" {}
                }
            }
        }
    }

    fn bar(&self, at: usize, bar: &Bar<'_>, top: usize) -> Markup {
        let counts = OPERATIONS
            .map(|operation| (operation.name(), bar.bucket.counts.get(operation.name()).copied().unwrap_or_default()));
        let counts: Vec<_> = counts.into_iter().filter(|(_, count)| *count > 0).collect();
        let parts: Vec<String> = counts.iter().map(|(name, count)| format!("{name} {count}")).collect();
        let label = format!("{}: {}", self.when(bar.from), parts.join(", "));
        let address = between(bar.from, bar.to).map(|window| self.request.at(window));
        let scale = |count: usize| count as f64 * (HEIGHT as f64 - 4.0) / top as f64;
        let rectangles = counts.iter().scan(0, |below, (name, count)| {
            let height = scale(*count).max(0.8);
            let y = HEIGHT as f64 - scale(*below) - height;
            *below += count;
            Some((name, y, height))
        });
        html! {
            a href=[address] tabindex="-1" aria-label=(label) {
                title { (label) }
                rect.hit x=(at * BUCKET) y="0" width=(BUCKET) height=(HEIGHT) {}
                @for (name, y, height) in rectangles {
                    rect class={ "bar " (name) } x=(at * BUCKET + 1) y=(format!("{y:.2}")) width=(BUCKET - 2) height=(format!("{height:.2}")) {}
                }
                @if bar.bucket.by_restore > 0 {
                    rect.bar.restore x=(at * BUCKET + 1) y=(HEIGHT - 2) width=(BUCKET - 2) height="2" {}
                }
            }
        }
    }

    /// A time in a text: with its day, if the chart has several.
    fn when(&self, second: i64) -> String {
        let is_long = self.activity.window.to() - self.activity.window.from() > LABELS_WITH_DAYS;
        let clock = self.viewer.short_clock(second);
        let shown = if is_long { format!("{} {clock}", self.viewer.short_day(second)) } else { clock };
        format!("{shown} ({})", utc(second))
    }

    /// The labels at equal distances from the start to the end.
    fn labels(&self) -> Vec<String> {
        const PARTS: i64 = 4;
        let (Some(first), Some(last)) = (self.bars.first(), self.bars.last()) else { return Vec::new() };
        let (from, length) = (first.from, last.to + 1 - first.from);
        let label = |part| {
            let second = from + length * part / PARTS;
            // A label is beside its place by some seconds, which is less than the width of a bar.
            let second = if length > LABELS_IN_MINUTES { second / 60 * 60 } else { second };
            let clock = self.viewer.short_clock(second);
            if length > LABELS_WITH_DAYS { format!("{} {clock}", self.viewer.short_day(second)) } else { clock }
        };
        (0..=PARTS).map(label).collect()
    }
}

/// The first and the last bucket of the busiest time. A bucket that is less busy than its neighbours does not end it.
fn busiest(versions: &[usize]) -> Option<(usize, usize)> {
    let (peak, most) = versions.iter().enumerate().max_by_key(|(_, count)| **count)?;
    let is_busy = |at: &usize| versions.get(*at).is_some_and(|count| *count > 0 && count * BUSY_PART >= *most);
    let (mut first, mut last) = (peak, peak);
    while let Some(next) = (last + 1..=last + MOST_GAP).find(is_busy) {
        last = next;
    }
    while let Some(next) = (first.saturating_sub(MOST_GAP)..first).rev().find(is_busy) {
        first = next;
    }
    let is_part = first > 0 || last + 1 < versions.len();
    (*most > 0 && is_part).then_some((first, last))
}

/// The next number of 1, 2, 4, 6 or 8 and zeros that is not less.
fn ceiling(most: usize) -> usize {
    let mut unit = 1;
    loop {
        if let Some(top) = [1, 2, 4, 6, 8, 10].into_iter().map(|step| step * unit).find(|top| *top >= most) {
            return top;
        }
        unit *= 10;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_busiest_time_is_around_the_largest_bucket_and_has_small_gaps() {
        assert_eq!(busiest(&[1, 2, 50, 0, 71, 20, 8, 1, 0, 30]), Some((2, 6)));
        assert_eq!(busiest(&[0, 0, 5]), Some((2, 2)));
        assert_eq!(busiest(&[5, 6, 5]), None);
        assert_eq!(busiest(&[0, 0]), None);
        assert_eq!(busiest(&[]), None);
    }

    #[test]
    fn the_top_of_a_chart_is_a_round_number_that_is_not_less_than_the_largest_bar() {
        for (most, top) in [(0, 1), (1, 1), (3, 4), (9, 10), (11, 20), (71, 80), (101, 200), (100_000, 100_000)] {
            assert_eq!(ceiling(most), top, "{most}");
        }
    }
}
