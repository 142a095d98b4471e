//! Plans a page of the documents of a backup.

use std::collections::HashSet;

use changefeed_cosmos::{Container, DocumentName, Error, Key};
use changefeed_jobs::{Found, ItemPlaces};
use futures::{StreamExt, TryStreamExt};
use serde_json::Value;

use super::backup_files::{BackupFiles, Bodies, FilePosition, LineContent, Lines};
use super::composition::RestoredFields;
use super::planned_item::{Action, BackupLine, PlannedItem};
use super::restore_page::page_item;
use super::restore_request::{RestoreRequest, Selection};
use super::restores::Restores;

/// Plans pages of a backup.
pub(super) struct BackupPlanner<'a> {
    pub restores: &'a Restores,
    pub request: &'a RestoreRequest,
    pub fields: Option<&'a RestoredFields>,
    pub files: &'a BackupFiles,
    /// The container that is written to.
    pub written: &'a Container,
    pub page_items: usize,
    pub places: ItemPlaces,
}

/// A line that the request selects.
struct SelectedLine {
    name: DocumentName,
    number: u64,
    /// The document; `None` for a deletion.
    body: Option<Value>,
}

impl BackupPlanner<'_> {
    /// Plans a page of a file from `continuation` on. Returns the bodies of its documents too.
    pub(super) async fn page(
        &self,
        file: usize,
        continuation: Option<&str>,
    ) -> Result<(Found<PlannedItem>, Bodies), Error> {
        let Lines { lines, next, processed } =
            self.files.lines(file, FilePosition::parse(continuation)?, self.page_items, None).await?;
        let (mut selected, mut items) = (Vec::new(), Vec::new());
        for (number, content) in lines {
            match self.select(number, content) {
                Ok(line) => selected.extend(line),
                Err(item) => items.push(PlannedItem { backup_line: Some(self.line(file, number)), ..*item }),
            }
        }
        // If a document is on two lines of a page, the later line counts.
        let mut names = HashSet::new();
        selected.reverse();
        selected.retain(|line| names.insert(line.name.to_index_key()));
        selected.reverse();
        let plan = |line: &SelectedLine| {
            let (name, number, body) = (line.name.clone(), line.number, line.body.clone());
            async move {
                let body_digest = body.as_ref().map(|body| self.restores.line_digest(body));
                let planned = page_item(name.clone(), self.plan(name, body).await.map(Some))?;
                let backup_line = Some(self.line(file, number));
                Ok::<_, Error>(planned.map(|item| PlannedItem { backup_line, body_digest, ..item }))
            }
        };
        let plans: Vec<_> = selected.iter().map(|line| self.places.take(plan(line))).collect();
        let planned: Vec<Option<PlannedItem>> =
            futures::stream::iter(plans).buffered(self.places.count()).try_collect().await?;
        items.extend(planned.into_iter().flatten());
        let bodies = selected.into_iter().filter_map(|line| Some((self.line(file, line.number), line.body?))).collect();
        Ok((Found { items, next: next.map(|next| next.to_string()), processed }, bodies))
    }

    /// The bodies of a page that was planned before and ended at `next`.
    pub(super) async fn bodies(
        &self,
        file: usize,
        continuation: Option<&str>,
        next: Option<&str>,
    ) -> Result<Bodies, Error> {
        let until = next.map(|next| FilePosition::parse(Some(next))).transpose()?;
        let page = self.files.lines(file, FilePosition::parse(continuation)?, self.page_items, Some(until)).await?;
        let body = |(number, content)| match content {
            LineContent::Document(body) => Some((self.line(file, number), body)),
            LineContent::Deletion(_) => None,
        };
        Ok(page.lines.into_iter().filter_map(body).collect())
    }

    /// The bodies of a page that has this line.
    pub(super) async fn bodies_of_page(
        &self,
        line: &BackupLine,
        continuation: Option<&str>,
        next: Option<&str>,
    ) -> Result<Bodies, Error> {
        let is_of_line = |file: &usize| self.line(*file, line.number) == *line;
        match (0..self.files.count()).find(is_of_line) {
            Some(file) => self.bodies(file, continuation, next).await,
            None => Ok(Bodies::new()),
        }
    }

    /// A line, if the request selects it. The error is the item of a line that can never be written.
    fn select(&self, number: u64, content: LineContent) -> Result<Option<SelectedLine>, Box<PlannedItem>> {
        match content {
            LineContent::Deletion(name) => {
                // A deletion is an outcome for each document of a list.
                let is_listed = matches!(self.request.selection, Selection::Documents(_));
                let is_selected =
                    (self.request.delete_created_after || is_listed) && self.request.selection.includes(&name, None);
                Ok(is_selected.then_some(SelectedLine { name, number, body: None }))
            }
            LineContent::Document(body) => {
                let id = body["id"].as_str().map(str::to_owned);
                let key = Key::of(&body, self.written.key_paths());
                let (id, partition_key) = match (id, key) {
                    (Some(id), Ok(key)) => (id, key),
                    (id, key) => {
                        let name = DocumentName { id: id.unwrap_or_default(), partition_key: Key::new(Vec::new()) };
                        let message = key.err().map_or("it has no id".to_owned(), |error| error.to_string());
                        return Err(Box::new(PlannedItem::without_write(name, Action::Failed).with_message(message)));
                    }
                };
                let name = DocumentName { id, partition_key };
                let is_selected = self.request.selection.includes(&name, Some(&body));
                Ok(is_selected.then_some(SelectedLine { name, number, body: Some(body) }))
            }
        }
    }

    async fn plan(&self, name: DocumentName, body: Option<Value>) -> Result<PlannedItem, Error> {
        if body.is_none() && !self.request.delete_created_after {
            return Ok(PlannedItem::without_write(name, Action::Unchanged).with_message(self.files.absent_message()));
        }
        let live = self.restores.history.live_in(self.written, &name, "live").await?;
        let target = body.map(|body| self.restores.target_of_line(body));
        let is_monitored = self.request.into.is_none();
        let item = match (self.fields, &target) {
            (Some(fields), Some(target)) => self.restores.planned_fields(fields, name, target, live),
            _ => self.restores.planned_body(name, target, live, !is_monitored && !self.request.force),
        };
        self.restores.unless_excluded(item, is_monitored, self.request.force).await
    }

    fn line(&self, file: usize, number: u64) -> BackupLine {
        let (backup, file) = self.files.name(file);
        BackupLine { backup, file, number }
    }
}
