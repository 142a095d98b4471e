//! Writes several items with few requests: reads what they need, saves what they overwrite, and writes in bulk.
//!
//! Nothing depends on it. What was not read, saved or written with others, is read, saved or written by itself.

use std::collections::HashSet;

use changefeed_cosmos::{DocumentName, Error, Item, MAX_TOGETHER, WriteInBulk};
use changefeed_history::Version;
use changefeed_jobs::ItemPlaces;
use futures::StreamExt;
use tokio::time::Instant;

use super::planned_item::{Action, PlannedItem};
use super::read_together::ReadTogether;
use super::write::{DocumentWriter, Outcome, Prepared};

/// Larger documents are written by themselves: there are few of them in a request, and several copies of each are in memory.
const MAX_BYTES_IN_BULK: usize = 64 * 1024;

/// An item of a group by its number, and how far it is.
type Numbered<P> = (usize, (PlannedItem, P));

/// How far the write of an item is.
enum Progress {
    /// It has its outcome.
    Ended(Result<Outcome, Error>),
    /// To be written by itself.
    Single(Option<Prepared>),
    /// To be written in bulk.
    InBulk(Item, Prepared),
}

/// The end of the first half of the time that is left.
fn half_of_time_until(deadline: Instant) -> Instant {
    let now = Instant::now();
    now + deadline.saturating_duration_since(now) / 2
}

impl DocumentWriter<'_> {
    /// Writes documents in groups, one after the other. A group with a document that is throttled leaves half of the time to those after
    /// it. Otherwise as [`Self::write_all`].
    pub(super) async fn write_in_groups(
        &self,
        mut items: Vec<PlannedItem>,
        places: &ItemPlaces,
        requests: usize,
    ) -> Vec<(PlannedItem, Result<Outcome, Error>)> {
        let mut results = Vec::with_capacity(items.len());
        while !items.is_empty() {
            let rest = items.split_off(items.len().min(MAX_TOGETHER));
            let deadline = if rest.is_empty() { self.deadline } else { half_of_time_until(self.deadline) };
            results.extend(DocumentWriter { deadline, ..*self }.write_all(items, places, requests).await);
            items = rest;
        }
        results
    }

    /// Writes documents. Those that are not written in bulk are written in these places. `requests`: how many of them are read by
    /// themselves at a time, to be saved. The items are in their order, with their outcomes.
    async fn write_all(
        &self,
        items: Vec<PlannedItem>,
        places: &ItemPlaces,
        requests: usize,
    ) -> Vec<(PlannedItem, Result<Outcome, Error>)> {
        let together = self.prepare(&items, requests).await;
        let writer = &DocumentWriter { together: Some(&together), ..*self };
        let mut names = HashSet::new();
        let repeated: Vec<bool> = items.iter().map(|item| !names.insert(item.name().to_index_key())).collect();
        let begun = futures::stream::iter(items.into_iter().zip(repeated)).map(|(mut item, is_repeated)| {
            places.take(async move {
                let begun = if is_repeated { Ok(Progress::Single(None)) } else { writer.begin(&mut item).await };
                (item, begun.unwrap_or_else(|error| Progress::Ended(Err(error))))
            })
        });
        let begun: Vec<(PlannedItem, Progress)> = begun.buffered(places.count()).collect().await;
        let (mut ready, mut others) = (Vec::new(), Vec::new());
        for (index, (item, progress)) in begun.into_iter().enumerate() {
            match progress {
                Progress::InBulk(document, prepared) => ready.push((index, (item, (document, prepared)))),
                progress => others.push((index, (item, progress))),
            }
        }
        let (ready, mut ended) = tokio::join!(writer.write_ready(ready, requests), writer.end(others, places));
        ended.extend(writer.end(ready, places).await);
        ended.sort_by_key(|(index, _)| *index);
        ended.into_iter().map(|(_, ended)| ended).collect()
    }

    /// Writes items by themselves that have no outcome.
    async fn end(&self, items: Vec<Numbered<Progress>>, places: &ItemPlaces) -> Vec<Numbered<Result<Outcome, Error>>> {
        let ended = futures::stream::iter(items).map(|(index, (item, progress))| async move {
            let prepared = match progress {
                Progress::Ended(outcome) => return (index, (item, outcome)),
                Progress::Single(prepared) => prepared,
                Progress::InBulk(_, prepared) => Some(prepared),
            };
            (index, places.take(self.end_one(item, prepared)).await)
        });
        ended.buffer_unordered(places.count()).collect().await
    }

    async fn end_one(&self, item: PlannedItem, prepared: Option<Prepared>) -> (PlannedItem, Result<Outcome, Error>) {
        // What was read before it was sent is old.
        let together = self.together.filter(|_| prepared.as_ref().is_none_or(|prepared| !prepared.was_sent));
        Box::pin(DocumentWriter { together, ..*self }.write(item, prepared)).await
    }

    /// Prepares the write of an item whose live document was read together with others.
    async fn begin(&self, item: &mut PlannedItem) -> Result<Progress, Error> {
        let name = item.name();
        let is_with_others = item.action.is_write() && item.action != Action::Delete;
        let live = self.together.filter(|_| is_with_others);
        let Some(live) = live.and_then(|read| read.planned_live_of(item, &name, self.is_monitored)) else {
            return Ok(Progress::Single(None));
        };
        match self.restores.erased(self.deadline).await {
            Ok(erased) if !erased.contains(&name) => {}
            _ => return Ok(Progress::Single(None)),
        }
        let mut body = match self.body_unless_conflict(item, &name).await? {
            Ok(body) => body,
            Err(conflict) => return Ok(Progress::Ended(Ok(conflict))),
        };
        let etag = item.live_etag.clone();
        if let Some(outcome) = self.conclude(item, &mut body, live.as_ref(), etag.as_deref(), false).await? {
            return Ok(Progress::Ended(Ok(outcome)));
        }
        let Some(body) = body else { return Ok(Progress::Single(None)) };
        let document = Item::new(name.id, body.document())?;
        let is_small = document.text().len() <= MAX_BYTES_IN_BULK;
        let prepared = Prepared { body, was_sent: false };
        Ok(if is_small { Progress::InBulk(document, prepared) } else { Progress::Single(Some(prepared)) })
    }

    /// Writes in bulk what is ready. At most `concurrency` requests are in flight.
    async fn write_ready(&self, ready: Vec<Numbered<(Item, Prepared)>>, concurrency: usize) -> Vec<Numbered<Progress>> {
        let (mut begun, mut items, mut etags) = (Vec::new(), Vec::new(), Vec::new());
        for (index, (planned, (item, prepared))) in ready {
            etags.push(planned.live_etag.clone());
            items.push(item);
            begun.push((index, planned, prepared));
        }
        // The other half is for what is not written in bulk.
        let deadline = half_of_time_until(self.deadline);
        let written = self.container.write_many(&items, &etags, concurrency, deadline).await;
        let progress = |written, prepared| match written {
            WriteInBulk::Written(written) => {
                Progress::Ended(Ok(Outcome::Written(written.etag, written.request_charge)))
            }
            WriteInBulk::Unsettled => Progress::Single(Some(Prepared { was_sent: true, ..prepared })),
            WriteInBulk::Refused(_) | WriteInBulk::NotSent => Progress::Single(Some(prepared)),
        };
        let numbered = begun
            .into_iter()
            .zip(written)
            .map(|((index, planned, prepared), written)| (index, (planned, progress(written, prepared))));
        numbered.collect()
    }

    /// Reads what these items need, and saves the versions that they overwrite and that capture has not stored yet. At most `concurrency`
    /// documents are read by themselves at a time.
    async fn prepare(&self, items: &[PlannedItem], concurrency: usize) -> ReadTogether {
        let mut together = ReadTogether::to_write(self.restores, self.container, self.is_monitored, items).await;
        let unsaved = together.unsaved(items);
        if self.is_monitored
            && let Err(error) = self.save_together(&mut together, unsaved, concurrency).await
        {
            log::debug!("versions are saved one by one: {error}");
        }
        together
    }

    /// Saves live versions, in half of the time. Each is read again, because a version has a sequence number.
    async fn save_together(
        &self,
        together: &mut ReadTogether,
        mut names: Vec<DocumentName>,
        concurrency: usize,
    ) -> Result<(), Error> {
        let (erased, rules) = (self.restores.erased(self.deadline).await?, self.restores.history.rules().await?);
        names.retain(|name| !erased.contains(name) && !rules.excludes(name));
        let deadline = half_of_time_until(self.deadline);
        let reader = &DocumentWriter { deadline, ..*self };
        let read = futures::stream::iter(names).map(|name| async move {
            // What cannot be read is saved by itself.
            let live = reader.live(&name).await.ok()??;
            Some((name, live))
        });
        let read: Vec<_> = read.buffer_unordered(concurrency).collect().await;
        let read = read.into_iter().flatten();
        let (names, versions): (Vec<DocumentName>, Vec<Version>) =
            read.filter(|(name, live)| together.is_missing(name, live)).unzip();
        let stored = self.restores.history.store_versions(&versions, concurrency, deadline).await?;
        for ((name, version), stored) in names.iter().zip(versions).zip(stored) {
            // What another writer has stored in the meantime may not be exact.
            if stored?.is_some() {
                together.add_saved(name, version);
            }
        }
        Ok(())
    }
}
