//! Writes several items with few requests: reads what they need, saves what they overwrite, and writes in bulk.
//!
//! Nothing depends on it. What was not read, saved or written with others, is read, saved or written by itself.

use std::collections::HashSet;

use changefeed_cosmos::{DocumentName, Error, ErrorKind, Item, WriteInBulk};
use changefeed_history::Version;
use changefeed_jobs::ItemPlaces;
use futures::StreamExt;
use tokio::time::Instant;

use super::planned_item::{Action, PlannedItem};
use super::read_together::ReadTogether;
use super::stamp::Body;
use super::write::{DocumentWriter, Outcome, Prepared};

/// Larger documents are written by themselves: there are few of them in a request, and several copies of each are in memory.
const MAX_BYTES_IN_BULK: usize = 64 * 1024;

/// An item of a group by its number, and how far it is.
type Numbered<P> = (usize, (PlannedItem, P));

/// How far the write of an item is.
enum Progress {
    /// It has its outcome.
    Ended(Result<Outcome, Error>),
    /// To be written in bulk, over the document with this etag.
    Ready(Item, Option<String>, Body),
    /// To be written by itself.
    Single(Option<Prepared>),
}

impl DocumentWriter<'_> {
    /// Writes documents. Those that are not written in bulk are written in these places. `requests`: how many of them are read by
    /// themselves at a time, to be saved. The items are in their order, with their outcomes.
    pub(super) async fn write_all(
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
                let progress = if is_repeated { Progress::Single(None) } else { writer.begin(&mut item).await };
                (item, progress)
            })
        });
        let begun: Vec<(PlannedItem, Progress)> = begun.buffered(places.count()).collect().await;
        let (ready, others): (Vec<_>, Vec<_>) =
            begun.into_iter().enumerate().partition(|(_, (_, progress))| matches!(progress, Progress::Ready(..)));
        let (ready, mut ended) = tokio::join!(writer.write_ready(ready, requests), writer.end(others, places));
        ended.extend(writer.end(ready, places).await);
        ended.sort_by_key(|(index, _)| *index);
        ended.into_iter().map(|(_, ended)| ended).collect()
    }

    /// Writes items by themselves that have no outcome.
    async fn end(&self, items: Vec<Numbered<Progress>>, places: &ItemPlaces) -> Vec<Numbered<Result<Outcome, Error>>> {
        let ended = futures::stream::iter(items).map(|(index, (item, progress))| async move {
            let ended = match progress {
                Progress::Ended(outcome) => (item, outcome),
                Progress::Single(prepared) => places.take(self.end_one(item, prepared)).await,
                Progress::Ready(_, _, body) => {
                    places.take(self.end_one(item, Some(Prepared { body, was_sent: false }))).await
                }
            };
            (index, ended)
        });
        ended.buffer_unordered(places.count()).collect().await
    }

    async fn end_one(&self, item: PlannedItem, prepared: Option<Prepared>) -> (PlannedItem, Result<Outcome, Error>) {
        // What was read before it was sent is old.
        let together = self.together.filter(|_| prepared.as_ref().is_none_or(|prepared| !prepared.was_sent));
        DocumentWriter { together, ..*self }.write(item, prepared).await
    }

    /// Prepares the write of an item whose live document was read together with others.
    async fn begin(&self, item: &mut PlannedItem) -> Progress {
        let name = item.name();
        let is_with_others = item.action.is_write() && item.action != Action::Delete;
        let live = self.together.filter(|_| is_with_others);
        let Some(live) = live.and_then(|read| read.planned_live_of(item, &name, self.is_monitored)) else {
            return Progress::Single(None);
        };
        match self.restores.erased(self.deadline).await {
            Ok(erased) if !erased.contains(&name) => {}
            _ => return Progress::Single(None),
        }
        let ready = async {
            let mut body = self.body(item, &name).await?;
            let etag = item.live_etag.clone();
            if let Some(outcome) = self.conclude(item, &mut body, live.as_ref(), etag.as_deref(), false).await? {
                return Ok::<_, Error>(Progress::Ended(Ok(outcome)));
            }
            let Some(body) = body else { return Ok(Progress::Single(None)) };
            let item = Item::new(name.id.clone(), body.document())?;
            let is_small = item.text().len() <= MAX_BYTES_IN_BULK;
            let prepared = |body| Progress::Single(Some(Prepared { body, was_sent: false }));
            Ok(if is_small { Progress::Ready(item, etag, body) } else { prepared(body) })
        };
        match ready.await {
            Ok(progress) => progress,
            Err(error) if error.kind() == ErrorKind::Conflict => {
                Progress::Ended(Ok(Outcome::Conflict(error.message().to_owned())))
            }
            Err(error) => Progress::Ended(Err(error)),
        }
    }

    /// Writes in bulk what is ready. At most `concurrency` requests are in flight.
    async fn write_ready(&self, ready: Vec<Numbered<Progress>>, concurrency: usize) -> Vec<Numbered<Progress>> {
        let (mut begun, mut items, mut etags) = (Vec::new(), Vec::new(), Vec::new());
        for (index, (planned, progress)) in ready {
            if let Progress::Ready(item, etag, body) = progress {
                begun.push((index, planned, body));
                items.push(item);
                etags.push(etag);
            }
        }
        // The other half is for what is not written in bulk.
        let now = Instant::now();
        let deadline = now + self.deadline.saturating_duration_since(now) / 2;
        let written = self.container.write_many(&items, &etags, concurrency, deadline).await;
        let progress = |written, body| match written {
            WriteInBulk::Written(written) => {
                Progress::Ended(Ok(Outcome::Written(written.etag, written.request_charge)))
            }
            WriteInBulk::Unsettled => Progress::Single(Some(Prepared { body, was_sent: true })),
            WriteInBulk::Refused(_) | WriteInBulk::NotSent => {
                Progress::Single(Some(Prepared { body, was_sent: false }))
            }
        };
        let numbered = begun
            .into_iter()
            .zip(written)
            .map(|((index, planned, body), written)| (index, (planned, progress(written, body))));
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

    /// Saves live versions. Each is read again, because a version has a sequence number.
    async fn save_together(
        &self,
        together: &mut ReadTogether,
        mut names: Vec<DocumentName>,
        concurrency: usize,
    ) -> Result<(), Error> {
        let (erased, rules) = (self.restores.erased(self.deadline).await?, self.restores.history.rules().await?);
        names.retain(|name| !erased.contains(name) && !rules.excludes(name));
        let read = futures::stream::iter(names).map(|name| async move {
            let live = self.live(&name).await?;
            Ok::<_, Error>(live.map(|live| (name, live)))
        });
        let read: Vec<_> = read.buffer_unordered(concurrency).collect().await;
        let read = read.into_iter().collect::<Result<Vec<_>, Error>>()?.into_iter().flatten();
        let (names, versions): (Vec<DocumentName>, Vec<Version>) =
            read.filter(|(name, live)| together.is_missing(name, live)).unzip();
        let stored = self.restores.history.store_versions(&versions, concurrency, self.deadline).await?;
        for ((name, version), stored) in names.iter().zip(versions).zip(stored) {
            // What another writer has stored in the meantime may not be exact.
            if stored?.is_some() {
                together.add_saved(name, version);
            }
        }
        Ok(())
    }
}
