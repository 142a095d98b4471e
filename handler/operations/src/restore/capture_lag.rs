//! How far capture is behind, and whether a time window can be undone yet.

use changefeed_cosmos::{Error, ErrorKind};
use chrono::{DateTime, SecondsFormat};
use serde::{Deserialize, Serialize};
use serde_json::{Map, json};

use super::restore_request::RestoreRequest;
use super::restores::Restores;

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
    /// Why a window that ends at `to` (seconds since 1970) cannot be undone yet; `None` if everything in it is captured.
    fn refusal(&self, to: i64) -> Option<String> {
        match (self.changes, self.oldest) {
            (Some(0), _) => None,
            (Some(changes), Some(oldest)) if oldest <= to => Some(format!(
                "{changes} changes are not captured yet, the oldest of {}, which is not after the end of the window",
                DateTime::from_timestamp(oldest, 0).unwrap_or_default().to_rfc3339_opts(SecondsFormat::Secs, true)
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

impl Restores {
    /// Refuses to undo a window that is not captured to its end, unless the request is forced.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`].
    pub(super) fn check_captured(&self, request: &RestoreRequest) -> Result<(), Error> {
        let (Some(window), Some(lag)) = (request.window(), &request.capture_lag) else { return Ok(()) };
        match lag.refusal(window.window.to()).filter(|_| !request.force) {
            None => Ok(()),
            Some(reason) => {
                let message = format!("{reason}; plan again when capture has caught up, or use force");
                Err(Error::new(ErrorKind::Conflict, "planning a restore", message))
            }
        }
    }

    /// What the one who requests a restore should know before it is executed.
    ///
    /// # Errors
    /// When the changes container cannot be read.
    pub(super) async fn warnings(&self, request: &RestoreRequest) -> Result<Vec<String>, Error> {
        let Some(window) = request.window() else { return Ok(Vec::new()) };
        let mut warnings: Vec<String> = window.warning.iter().cloned().collect();
        let lag = request.capture_lag.as_ref().and_then(|lag| lag.refusal(window.window.to()));
        warnings.extend(lag.map(|reason| format!("{reason}: what is missing is not undone")));
        let changes = self.history.changes().open().await?;
        let query =
            "SELECT TOP 1 VALUE c.id FROM c WHERE c.operation = 'write' AND c.sourceTs >= @from AND c.sourceTs <= @to";
        let parameters = Map::from_iter([
            ("@from".to_owned(), json!(window.window.from())),
            ("@to".to_owned(), json!(window.window.to())),
        ]);
        let first = changes.select_few::<String>(query, &parameters, None, 1).await?;
        if !futures::TryStreamExt::try_collect::<Vec<_>>(first).await?.is_empty() {
            warnings.push(
                "some versions of the window were captured in LatestVersion mode: one version may hold the changes of several writers"
                    .to_owned(),
            );
        }
        Ok(warnings)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_can_be_undone_when_every_change_until_its_end_is_captured() {
        let lag = |changes, oldest| CaptureLag { changes, oldest, message: None };
        assert_eq!(lag(Some(0), None).refusal(100), None);
        assert_eq!(lag(Some(3), Some(101)).refusal(100), None);
        for (lag, expected) in [
            (lag(Some(3), Some(100)), "3 changes are not captured yet, the oldest of 1970-01-01T00:01:40Z"),
            (lag(Some(3), None), "their times are not known"),
            (lag(None, None), "not known: the leases cannot be read"),
        ] {
            assert!(lag.refusal(100).is_some_and(|message| message.contains(expected)), "{lag:?}");
        }
    }
}
