//! Undoing a time window: how, whether it can be done, and what to know before.

use changefeed_cosmos::{Error, ErrorKind, KeyPath};
use changefeed_history::{UndoOptions, UntrackedFields};
use chrono::{DateTime, SecondsFormat};
use futures::TryStreamExt;
use serde_json::{Map, json};

use super::restore_request::RestoreRequest;
use super::restores::Restores;
use super::window_selection::WindowSelection;

/// How a restore undoes the versions of a window.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct WindowUndo {
    pub selection: WindowSelection,
    pub options: UndoOptions,
    pub untracked: UntrackedFields,
    /// Those of the monitored container.
    pub key_paths: Vec<KeyPath>,
}

impl WindowUndo {
    /// Refuses a window of which the retention has removed versions. `horizon` is the second since 1970 from which on the history is
    /// complete.
    ///
    /// # Errors
    /// [`Invalid`](changefeed_cosmos::ErrorKind::Invalid), with the earliest time that a window can start at.
    pub(super) fn check_horizon(&self, horizon: i64) -> Result<(), Error> {
        if self.selection.window.from() > horizon {
            return Ok(());
        }
        let message = format!(
            "changedBetween starts at {}, and the retention has removed versions of that time; the history is complete after {}: \
             start later",
            rfc3339(self.selection.window.from()),
            rfc3339(horizon)
        );
        Err(Error::invalid("planning a restore", message))
    }
}

fn rfc3339(second: i64) -> String {
    DateTime::from_timestamp(second, 0).unwrap_or_default().to_rfc3339_opts(SecondsFormat::Secs, true)
}

impl Restores {
    /// How a request undoes the versions of its window; `None` if it has none.
    ///
    /// # Errors
    /// When the definition of the monitored container cannot be read.
    pub(super) async fn window_undo(&self, request: &RestoreRequest) -> Result<Option<WindowUndo>, Error> {
        let Some(selection) = request.window() else { return Ok(None) };
        Ok(Some(WindowUndo {
            selection: selection.clone(),
            options: selection.undo_options(request.delete_created_after, request.force),
            untracked: self.history.untracked_fields().await?,
            key_paths: self.history.monitored().open().await?.key_paths().to_vec(),
        }))
    }

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
        if !first.try_collect::<Vec<_>>().await?.is_empty() {
            warnings.push(
                "some versions of the window were captured in LatestVersion mode: one version may hold the changes of several writers"
                    .to_owned(),
            );
        }
        Ok(warnings)
    }
}
