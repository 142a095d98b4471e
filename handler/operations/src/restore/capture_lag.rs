//! How far capture is behind.

use changefeed_history::TimeExpression;
use serde::{Deserialize, Serialize};

/// How far capture is behind the writes of the monitored container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CaptureLag {
    /// The changes (transactions) that are not captured; `None` if that is not known.
    pub changes: Option<i64>,
    /// The second since 1970 of the oldest of them; `None` when there are none, and when it is not known.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub oldest: Option<i64>,
    /// Why it is not known.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub message: Option<String>,
}

impl CaptureLag {
    /// Why versions of a window that ends at `to` (seconds since 1970) may be missing; `None` if everything in it is captured.
    pub fn missing_until(&self, to: i64) -> Option<String> {
        match (self.changes, self.oldest) {
            (Some(0), _) => None,
            (Some(changes), Some(oldest)) if oldest <= to => Some(format!(
                "{changes} changes are not captured yet, the oldest of {}, which is not after the end of the window",
                TimeExpression::from_second(oldest)
            )),
            (Some(_), Some(_)) => None,
            (Some(changes), None) => {
                Some(format!("{changes} changes are not captured yet, and their times are not known"))
            }
            (None, _) => {
                let message = self.message.as_deref().unwrap_or("the leases cannot be read");
                Some(format!("how far capture is behind is not known: {message}"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_can_be_undone_when_every_change_until_its_end_is_captured() {
        let lag = |changes, oldest| CaptureLag { changes, oldest, message: None };
        assert_eq!(lag(Some(0), None).missing_until(100), None);
        assert_eq!(lag(Some(3), Some(101)).missing_until(100), None);
        for (lag, expected) in [
            (lag(Some(3), Some(100)), "3 changes are not captured yet, the oldest of 1970-01-01T00:01:40Z"),
            (lag(Some(3), None), "their times are not known"),
            (lag(None, None), "not known: the leases cannot be read"),
        ] {
            assert!(lag.missing_until(100).is_some_and(|message| message.contains(expected)), "{lag:?}");
        }
    }
}
