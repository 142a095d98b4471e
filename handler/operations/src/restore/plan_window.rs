//! Plans what undoing a time window does with a document.

use changefeed_cosmos::{DocumentName, Error, KeyRange, MAX_PAGE_ITEMS, digest};
use changefeed_history::{Version, VersionId};
use changefeed_jobs::{Found, ItemPlaces, PagedQuery};
use futures::TryStreamExt;
use serde::Deserialize;
use serde_json::{Value, json};

use super::composition::RestoredFields;
use super::planned_item::{Action, PlannedItem};
use super::restore_page::page_item;
use super::restores::Restores;
use super::target_document::TargetDocument;
use super::window_undo::WindowUndo;
use super::window_versions::{MAX_VERSIONS, UndoOutcome, Undone, WindowVersions};
use crate::scan::{RecentStates, ScanState};

/// Plans the documents of a window.
pub(super) struct WindowPlanner<'a> {
    pub restores: &'a Restores,
    pub window: &'a WindowUndo,
    pub fields: Option<&'a RestoredFields>,
}

/// Pages of the documents of a window, for a job.
pub(super) struct WindowPages<'a> {
    pub planner: WindowPlanner<'a>,
    /// The second since 1970 up to which recorded versions represent documents.
    pub recorded_until: i64,
    pub page_items: usize,
    pub places: ItemPlaces,
    pub states: &'a RecentStates,
}

/// The fields of a version's record that identify it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    id: VersionId,
    source_id: String,
    partition_key: changefeed_cosmos::Key,
}

const SELECT_ROW: &str = "SELECT c.id, c.sourceId, c.partitionKey";

impl WindowPlanner<'_> {
    /// Plans a document; `None` when no version of it is selected.
    ///
    /// # Errors
    /// When the containers cannot be read.
    pub(super) async fn plan(&self, name: DocumentName) -> Result<Option<PlannedItem>, Error> {
        let (history, from) = (&self.restores.history, self.window.from());
        let Some(versions) = WindowVersions::read(history, &name, from).await? else {
            let message = format!(
                "it has more than {MAX_VERSIONS} versions since the start of the window; restore it to a time instead"
            );
            return Ok(Some(PlannedItem::without_write(name, Action::Conflict).with_message(message)));
        };
        // Read after the versions, so that it is not older than they are.
        let live = history.live(&name).await?;
        let fields = self.fields.map(RestoredFields::selection);
        let Some(undone) = versions.undo(self.window, fields, live.as_ref()) else { return Ok(None) };
        let item = self.item(name, undone, &versions, live);
        self.restores.unless_excluded(item, true, self.window.options.force).await.map(Some)
    }

    /// The document that is written: with `fields`, only those are taken from the content.
    fn restored(&self, live: Option<&Version>, target: TargetDocument) -> Result<TargetDocument, String> {
        match self.fields {
            Some(fields) => Ok(target.with_content(fields.of(live, &target.over(live))?)),
            None => Ok(target),
        }
    }

    fn item(
        &self,
        name: DocumentName,
        undone: Undone,
        versions: &WindowVersions,
        live: Option<Version>,
    ) -> PlannedItem {
        let target = |content: Value| self.restores.target(content, versions.omitted().to_vec());
        let Undone { outcome, base, kept_paths, reason } = undone;
        let without_write = |action| PlannedItem::without_write(name.clone(), action);
        let item = match outcome {
            UndoOutcome::Write { content, is_merged } => match self.restored(live.as_ref(), target(content)) {
                Err(message) => without_write(Action::Conflict).with_message(message),
                Ok(target) => {
                    let is_merged = is_merged || self.fields.is_some();
                    let is_composed = base.is_none() || self.fields.is_some();
                    let digest = is_composed.then(|| self.restores.content_digest(&target.over(live.as_ref())));
                    let planned = self.restores.planned_body(name.clone(), Some(target), live, false);
                    let action =
                        if is_merged && planned.action == Action::Replace { Action::Merge } else { planned.action };
                    PlannedItem { action, version: base, body_digest: digest, ..planned }
                }
            },
            UndoOutcome::Delete => self.restores.planned_body(name.clone(), None, live, false),
            UndoOutcome::Unchanged => without_write(Action::Unchanged),
            UndoOutcome::Kept => without_write(Action::Kept),
            UndoOutcome::Unknown => without_write(Action::Unknown),
            UndoOutcome::Conflict { overwritten } => {
                // What it would become is shown, so that a person can decide.
                let content = overwritten.and_then(|content| self.restored(live.as_ref(), target(content)).ok());
                let shown = content
                    .filter(|_| live.is_some())
                    .map(|target| self.restores.planned_body(name.clone(), Some(target), live, false).changes);
                PlannedItem { changes: shown.unwrap_or_default(), ..without_write(Action::Conflict) }
            }
        };
        let message = match (reason, item.message) {
            (Some(reason), Some(message)) => Some(format!("{reason}; {message}")),
            (reason, message) => reason.or(message),
        };
        PlannedItem { message, kept_paths, ..item }
    }
}

impl Restores {
    /// A digest of the content of a document, without the stamp and without the fields that are never stored.
    pub(super) fn content_digest(&self, content: &Value) -> String {
        digest(&self.showable(self.without_stamp(content.clone())).to_string())
    }

    /// A digest of a document on the line of a backup, without the fields that are never stored.
    pub(super) fn line_digest(&self, content: &Value) -> String {
        match self.never_stored().is_empty() {
            true => digest(&content.to_string()),
            false => digest(&self.showable(content.clone()).to_string()),
        }
    }
}

impl WindowPages<'_> {
    /// Plans a page of the documents that the versions of a range represent.
    ///
    /// Of the versions that were recorded before the job began and may be selected, the one with the smallest id represents its
    /// document, so that each document is planned once. What decides it does not change while the job runs.
    pub(super) async fn page(&self, range: &KeyRange, continuation: Option<&str>) -> Result<Found<PlannedItem>, Error> {
        let changes = self.planner.restores.history.changes().open().await?;
        let source = PagedQuery {
            page_items: self.page_items,
            places: self.places.clone(),
            ..self.recorded(self.planner.window.query(&changes, SELECT_ROW, None))
        };
        let row = |item: Value| {
            serde_json::from_value::<Row>(item)
                .map_err(|error| Error::corrupt(format!("listing the versions of container {}", changes.name()), error))
        };
        source.page(range, continuation, row, |row| self.plan(row)).await
    }

    fn recorded<'q>(&self, mut query: PagedQuery<'q>) -> PagedQuery<'q> {
        query.conditions.push("c._ts <= @recorded".to_owned());
        query.parameters.insert("@recorded".to_owned(), json!(self.recorded_until));
        query
    }

    async fn plan(&self, row: Row) -> Result<Option<PlannedItem>, Error> {
        let name = DocumentName { id: row.source_id, partition_key: row.partition_key };
        let planned = async {
            let represented_by = match self.states.get(&name) {
                Some(ScanState::RepresentedBy(id)) => id,
                _ => {
                    let id = self.representative(&name).await?;
                    self.states.insert(&name, ScanState::RepresentedBy(id.clone()));
                    id
                }
            };
            if represented_by.as_ref() != Some(&row.id) {
                return Ok(None);
            }
            self.planner.plan(name.clone()).await
        };
        page_item(name.clone(), planned.await)
    }

    /// The version that represents a document.
    async fn representative(&self, name: &DocumentName) -> Result<Option<VersionId>, Error> {
        let changes = self.planner.restores.history.changes().open().await?;
        let mut query = self.recorded(self.planner.window.query(&changes, SELECT_ROW, Some(&name.partition_key)));
        query.conditions.push("c.sourceId = @sourceId".to_owned());
        query.parameters.insert("@sourceId".to_owned(), json!(name.id));
        let text = format!("{} FROM c WHERE {}", query.select, query.conditions.join(" AND "));
        let page_items = MAX_PAGE_ITEMS as usize;
        let rows = changes.select_few::<Row>(&text, &query.parameters, query.key.as_ref(), page_items).await?;
        let rows: Vec<Row> = rows.try_collect().await?;
        let own = rows.into_iter().filter(|row| row.partition_key == name.partition_key);
        Ok(own.map(|row| row.id).min())
    }
}
