//! Plans a page of what a backup holds.

use std::collections::{HashMap, HashSet};

use changefeed_cosmos::{Container, DocumentName, Error, Key};
use changefeed_jobs::Found;
use futures::{StreamExt, TryStreamExt};
use serde_json::Value;

use super::backup_files::{BackupFiles, Content, FilePosition, Lines};
use super::plan::{Action, BackupLine, PlannedItem, meets_selection, untouched};
use super::request::RestoreRequest;
use super::restores::Restores;
use super::scanned::told;

/// The bodies of a page, by the numbers of their lines.
pub(super) type Bodies = HashMap<u64, Value>;

/// What a page of a backup is planned by.
pub(super) struct FromBackup<'a> {
    pub restores: &'a Restores,
    pub request: &'a RestoreRequest,
    pub files: &'a BackupFiles,
    pub written: &'a Container,
    pub page_items: usize,
    pub concurrency: usize,
}

/// A line that is meant.
struct Meant {
    name: DocumentName,
    number: u64,
    body: Option<Value>,
}

impl FromBackup<'_> {
    /// Plans a page of a file from `continuation` on; and the bodies that it puts back.
    pub(super) async fn page(
        &self,
        file: usize,
        continuation: Option<&str>,
    ) -> Result<(Found<PlannedItem>, Bodies), Error> {
        let Lines { lines, next, processed } =
            self.files.lines(file, FilePosition::of(continuation)?, self.page_items, None).await?;
        let (mut meant, mut items) = (Vec::new(), Vec::new());
        for (number, content) in lines {
            match self.meant(number, content) {
                Ok(line) => meant.extend(line),
                Err(item) => items.push(PlannedItem { backup_line: Some(self.line(file, number)), ..*item }),
            }
        }
        // Of a document that is there twice, the later line counts.
        let mut names = HashSet::new();
        meant.reverse();
        meant.retain(|line| names.insert((line.name.partition_key.to_string(), line.name.id.clone())));
        meant.reverse();
        let plan = |line: &Meant| {
            let (name, number, body) = (line.name.clone(), line.number, line.body.clone());
            async move {
                let planned = told(name.clone(), self.plan(name, body).await)?;
                Ok::<_, Error>(planned.map(|item| PlannedItem { backup_line: Some(self.line(file, number)), ..item }))
            }
        };
        let plans: Vec<_> = meant.iter().map(plan).collect();
        let planned: Vec<Option<PlannedItem>> =
            futures::stream::iter(plans).buffered(self.concurrency).try_collect().await?;
        items.extend(planned.into_iter().flatten());
        let bodies = meant.into_iter().filter_map(|line| Some((line.number, line.body?))).collect();
        Ok((Found { items, next: next.map(|next| next.to_string()), processed }, bodies))
    }

    /// The bodies of a page that was planned before: it ended at `next`.
    pub(super) async fn bodies(
        &self,
        file: usize,
        continuation: Option<&str>,
        next: Option<&str>,
    ) -> Result<Bodies, Error> {
        let until = next.map(|next| FilePosition::of(Some(next))).transpose()?;
        let page = self.files.lines(file, FilePosition::of(continuation)?, self.page_items, Some(until)).await?;
        let body = |(number, content)| match content {
            Content::Document(body) => Some((number, body)),
            Content::Deletion(_) => None,
        };
        Ok(page.lines.into_iter().filter_map(body).collect())
    }

    /// A line, if it is meant; an item for what can never be written.
    fn meant(&self, number: u64, content: Content) -> Result<Option<Meant>, Box<PlannedItem>> {
        match content {
            Content::Deletion(name) => {
                let is_meant =
                    self.request.delete_created_after && meets_selection(&self.request.selection, &name, None);
                Ok(is_meant.then_some(Meant { name, number, body: None }))
            }
            Content::Document(body) => {
                let id = body["id"].as_str().map(str::to_owned);
                let key = Key::of(&body, self.written.key_paths());
                let (id, partition_key) = match (id, key) {
                    (Some(id), Ok(key)) => (id, key),
                    (id, key) => {
                        let name = DocumentName { id: id.unwrap_or_default(), partition_key: Key::new(Vec::new()) };
                        let message = key.err().map_or("it has no id".to_owned(), |error| error.to_string());
                        let item = untouched(name, Action::Failed);
                        return Err(Box::new(PlannedItem { message: Some(message), ..item }));
                    }
                };
                let name = DocumentName { id, partition_key };
                let is_meant = meets_selection(&self.request.selection, &name, Some(&body));
                Ok(is_meant.then_some(Meant { name, number, body: Some(body) }))
            }
        }
    }

    async fn plan(&self, name: DocumentName, body: Option<Value>) -> Result<Option<PlannedItem>, Error> {
        let live = self.restores.history.live_in(self.written, &name, "live").await?;
        let keeps = self.request.into.is_some() && !self.request.force;
        Ok(Some(self.restores.planned_body(name, body, live, keeps)))
    }

    fn line(&self, file: usize, number: u64) -> BackupLine {
        let (backup, file) = self.files.name(file);
        BackupLine { backup, file, number }
    }
}
