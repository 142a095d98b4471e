//! A window of time: the versions whose `sourceTs` is neither before its start nor after its end.

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};

use crate::time_expression::TimeExpression;

/// A window: `from <= sourceTs <= to`, in whole seconds since 1970. In JSON, both times are RFC 3339 in UTC:
/// `{"from": "2026-11-20T10:31:00Z", "to": "2026-11-20T10:40:00Z"}`.
///
/// A request becomes a window with [`Window::new`]. A stored window, of a record or of a continuation, is read from its JSON, so that
/// a window that ended "now" still ends at that second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "StoredWindow", into = "StoredWindow")]
pub struct Window {
    from: i64,
    to: i64,
}

/// Both ends as they are stored.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredWindow {
    from: TimeExpression,
    to: TimeExpression,
}

impl Window {
    /// The window between two times. Without `from` it has no start: every version until `to` is inside. Without `to` it ends now.
    /// A time within a second means that second. The second value is a warning: a `to` in the future means now.
    ///
    /// # Errors
    /// When `from` is after `now` or after `to`. The message names both times.
    pub fn new(
        from: Option<TimeExpression>,
        to: Option<TimeExpression>,
        now: DateTime<Utc>,
    ) -> Result<(Self, Option<String>), String> {
        let second = now.timestamp();
        if let Some(from) = from.filter(|from| from.second() > second) {
            return Err(format!(
                "from is {}, which is in the future: it is now {}; use an earlier time",
                utc(from.second()),
                utc(second)
            ));
        }
        let warning = to.filter(|to| to.second() > second).map(|to| {
            format!("to is {}, which is in the future; the window ends now, at {}", utc(to.second()), utc(second))
        });
        let to = to.map_or(second, |to| to.second().min(second));
        Ok((Self::between(from.map_or(0, TimeExpression::second), to)?, warning))
    }

    /// The window without a start that ends at this second, or at the first one of all. It stands for the window of a continuation, which
    /// has its own.
    pub fn until(now: DateTime<Utc>) -> Self {
        Self { from: 0, to: now.timestamp().max(0) }
    }

    /// A window that was made before, and stored as its first and its last second.
    ///
    /// # Errors
    /// When `from` is after `to`.
    pub fn of_stored(from: TimeExpression, to: TimeExpression) -> Result<Self, String> {
        Self::between(from.second(), to.second())
    }

    fn between(from: i64, to: i64) -> Result<Self, String> {
        if from > to {
            return Err(format!("from is {}, which is after to, {}; exchange them", utc(from), utc(to)));
        }
        Ok(Self { from, to })
    }

    /// The first second inside, since 1970.
    pub fn from(self) -> i64 {
        self.from
    }

    /// The last second inside, since 1970.
    pub fn to(self) -> i64 {
        self.to
    }

    /// The first and the last second inside, as times.
    pub fn times(self) -> (TimeExpression, TimeExpression) {
        (TimeExpression::from_second(self.from), TimeExpression::from_second(self.to))
    }

    /// The window without its seconds before this one.
    pub fn starting_at(self, second: i64) -> Self {
        Self { from: second.clamp(self.from, self.to), ..self }
    }

    /// Whether a version with this `sourceTs` is inside.
    pub fn contains(self, source_ts: i64) -> bool {
        (self.from..=self.to).contains(&source_ts)
    }
}

/// RFC 3339 in UTC.
fn utc(second: i64) -> String {
    DateTime::from_timestamp(second, 0)
        .map_or_else(|| second.to_string(), |time| time.to_rfc3339_opts(SecondsFormat::Secs, true))
}

impl TryFrom<StoredWindow> for Window {
    type Error = String;

    fn try_from(stored: StoredWindow) -> Result<Self, String> {
        Self::of_stored(stored.from, stored.to)
    }
}

impl From<Window> for StoredWindow {
    fn from(window: Window) -> Self {
        let (from, to) = window.times();
        Self { from, to }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    const NOW: i64 = 1_795_790_400;

    fn at(millis: i64) -> TimeExpression {
        DateTime::from_timestamp_millis(millis).expect("a time").into()
    }

    fn window(from: Option<i64>, to: Option<i64>) -> Result<(Window, Option<String>), String> {
        let second = |second: i64| at(second * 1000);
        Window::new(from.map(second), to.map(second), DateTime::from_timestamp(NOW, 999_000_000).expect("now"))
    }

    #[test]
    fn a_window_has_whole_seconds_and_both_its_ends() {
        let now = DateTime::from_timestamp(NOW, 0).expect("now");
        let (window, warning) = Window::new(Some(at(10_500)), Some(at(20_999)), now).expect("a window");
        assert_eq!((window.from(), window.to(), warning), (10, 20, None));
        assert_eq!([9, 10, 20, 21].map(|second| window.contains(second)), [false, true, true, false]);
        assert_eq!(Window::new(Some(at(10_000)), Some(at(10_999)), now).expect("a second").0.to(), 10);
    }

    #[test]
    fn a_missing_end_is_the_beginning_or_now() {
        let ends = |from, to| window(from, to).map(|(window, warning)| (window.from(), window.to(), warning));
        assert_eq!(ends(None, None), Ok((0, NOW, None)));
        assert_eq!(ends(Some(5), None), Ok((5, NOW, None)));
        assert_eq!(ends(None, Some(5)), Ok((0, 5, None)));
        assert_eq!(ends(Some(NOW), Some(NOW)), Ok((NOW, NOW, None)));
    }

    #[test]
    fn an_end_in_the_future_means_now_with_a_warning_and_a_start_in_the_future_is_refused() {
        let (ends_now, warning) = window(Some(5), Some(NOW + 3600)).expect("a window");
        assert_eq!(ends_now.to(), NOW);
        let warning = warning.expect("a warning");
        let expected =
            "to is 2026-11-27T15:40:00Z, which is in the future; the window ends now, at 2026-11-27T14:40:00Z";
        assert_eq!(warning, expected);
        let refused = window(Some(NOW + 1), Some(NOW + 3600)).expect_err("the future");
        assert!(refused.contains("from is 2026-11-27T14:40:01Z, which is in the future"), "{refused}");
    }

    #[test]
    fn a_reversed_window_is_refused_with_both_times() {
        let refused = window(Some(20), Some(10)).expect_err("reversed");
        assert_eq!(refused, "from is 1970-01-01T00:00:20Z, which is after to, 1970-01-01T00:00:10Z; exchange them");
        assert!(window(None, Some(-1)).is_err());
    }

    #[test]
    fn a_stored_window_is_read_as_it_was_written() {
        let (stored, _) = window(Some(NOW - 60), None).expect("a window");
        let json = json!({"from": "2026-11-27T14:39:00Z", "to": "2026-11-27T14:40:00Z"});
        assert_eq!(serde_json::to_value(stored).expect("json"), json);
        assert_eq!(serde_json::from_value::<Window>(json).expect("a window"), stored);
        for wrong in [json!({"from": 2, "to": 1}), json!({"from": 1}), json!({"from": 1, "to": 2, "size": 3})] {
            serde_json::from_value::<Window>(wrong.clone()).expect_err(&wrong.to_string());
        }
    }

    proptest! {
        #[test]
        fn a_window_contains_what_is_between_its_ends(from in 0..100i64, to in 0..100i64, second in 0..100i64) {
            match window(Some(from), Some(to)) {
                Ok((window, _)) => prop_assert_eq!(window.contains(second), from <= second && second <= to),
                Err(_) => prop_assert!(from > to),
            }
        }
    }
}
