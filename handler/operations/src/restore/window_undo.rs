//! Undoing a time window: how, whether it can be done, and what to know before.

use changefeed_cosmos::{Container, Error, ErrorKind, Key};
use changefeed_history::{TimeExpression, UndoOptions, UntrackedFields, Version, VersionSelector};
use changefeed_jobs::PagedQuery;
use futures::TryStreamExt;
use serde_json::{Map, json};

use super::restore_request::RestoreRequest;
use super::restores::Restores;
use super::window_selection::WindowSelection;
use crate::scan::query_versions;

/// How a restore undoes the versions of a window.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct WindowUndo {
    pub selection: WindowSelection,
    pub options: UndoOptions,
    pub untracked: UntrackedFields,
    /// Finds the versions to undo.
    pub selector: VersionSelector,
}

impl WindowUndo {
    /// The first second of the window, since 1970.
    pub(super) fn from(&self) -> i64 {
        self.selection.versions.window.from()
    }

    /// The query for the versions that may be selected. [`VersionSelector::selects`] decides.
    pub(super) fn query<'a>(&self, changes: &'a Container, select: &str, partition: Option<&Key>) -> PagedQuery<'a> {
        let mut query = query_versions(changes, select.to_owned(), partition.or(self.selection.partition.as_ref()));
        query.conditions.push("c.sourceTs >= @from AND c.sourceTs <= @to AND IS_DEFINED(c.operation)".to_owned());
        let window = self.selection.versions.window;
        let times = [("@from", json!(window.from())), ("@to", json!(window.to()))];
        query.parameters.extend(times.map(|(name, value)| (name.to_owned(), value)));
        let conditions = self.selector.conditions(&mut query.parameters);
        query.conditions.extend(conditions);
        query
    }

    /// Whether a version is one of those to undo.
    pub(super) fn selects(&self, version: &Version) -> bool {
        self.selection.partition.as_ref().is_none_or(|key| *key == version.partition_key)
            && self.selector.selects(version)
    }

    /// Refuses a window of which the retention has removed versions. `horizon` is the second since 1970 from which on the history is
    /// complete.
    ///
    /// # Errors
    /// [`Invalid`](changefeed_cosmos::ErrorKind::Invalid), with the earliest time that a window can start at.
    pub(super) fn check_horizon(&self, horizon: i64) -> Result<(), Error> {
        if self.from() > horizon {
            return Ok(());
        }
        let message = format!(
            "changedBetween starts at {}, and the retention has removed versions of that time; the history is complete after {}: \
             start later",
            TimeExpression::from_second(self.from()),
            TimeExpression::from_second(horizon)
        );
        Err(Error::invalid("planning a restore", message))
    }
}

impl Restores {
    /// How a request undoes the versions of its window; `None` if it has none.
    ///
    /// # Errors
    /// When the changes container does not index the actor of the request, and when the definitions of the containers cannot be read.
    pub(super) async fn window_undo(&self, request: &RestoreRequest) -> Result<Option<WindowUndo>, Error> {
        let Some(selection) = request.window() else { return Ok(None) };
        let (monitored, changes) = (self.history.monitored().open().await?, self.history.changes().open().await?);
        Ok(Some(WindowUndo {
            selection: selection.clone(),
            options: selection.undo_options(request.delete_created_after, request.force),
            untracked: self.history.untracked_fields().await?,
            selector: selection.versions.selector(&changes, monitored.key_paths(), "planning a restore")?,
        }))
    }

    /// Refuses to undo a window that is not captured to its end, unless the request is forced.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`].
    pub(super) fn check_captured(&self, request: &RestoreRequest) -> Result<(), Error> {
        let (Some(window), Some(lag)) = (request.window(), &request.capture_lag) else { return Ok(()) };
        match lag.missing_until(window.versions.window.to()).filter(|_| !request.force) {
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
        let lag = request.capture_lag.as_ref().and_then(|lag| lag.missing_until(window.versions.window.to()));
        warnings.extend(lag.map(|reason| format!("{reason}: what is missing is not undone")));
        let changes = self.history.changes().open().await?;
        let query =
            "SELECT TOP 1 VALUE c.id FROM c WHERE c.operation = 'write' AND c.sourceTs >= @from AND c.sourceTs <= @to";
        let parameters = Map::from_iter([
            ("@from".to_owned(), json!(window.versions.window.from())),
            ("@to".to_owned(), json!(window.versions.window.to())),
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
