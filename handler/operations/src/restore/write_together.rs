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
use super::stamp::Body;
use super::write::{DocumentWriter, Outcome, Prepared};

/// Larger documents are written by themselves: there are few of them in a request, and several copies of each are in memory.
const MAX_BYTES_IN_BULK: usize = 64 * 1024;

/// An item of a group by its number, and how far it is.
type Numbered<P> = (usize, (PlannedItem, P));

/// An item that is written in bulk.
struct Ready {
    item: Item,
    /// That of the document that it overwrites.
    etag: Option<String>,
    body: Body,
}

/// How far the write of an item is that is not written in bulk.
enum Progress {
    /// It has its outcome.
    Ended(Result<Outcome, Error>),
    /// To be written by itself.
    Single(Option<Prepared>),
}

/// The end of the first half of the time that is left.
fn half_of_time_until(deadline: Instant) -> Instant {
    let now = Instant::now();
    now + deadline.saturating_duration_since(now) / 2
}

/// An item whose write was prepared.
enum Begun {
    InBulk(Ready),
    Other(Progress),
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
                let begun =
                    if is_repeated { Begun::Other(Progress::Single(None)) } else { writer.begin(&mut item).await };
                (item, begun)
            })
        });
        let begun: Vec<(PlannedItem, Begun)> = begun.buffered(places.count()).collect().await;
        let (mut ready, mut others) = (Vec::new(), Vec::new());
        for (index, (item, begun)) in begun.into_iter().enumerate() {
            match begun {
                Begun::InBulk(begun) => ready.push((index, (item, begun))),
                Begun::Other(progress) => others.push((index, (item, progress))),
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
            let ended = match progress {
                Progress::Ended(outcome) => (item, outcome),
                Progress::Single(prepared) => places.take(self.end_one(item, prepared)).await,
            };
            (index, ended)
        });
        ended.buffer_unordered(places.count()).collect().await
    }

    async fn end_one(&self, item: PlannedItem, prepared: Option<Prepared>) -> (PlannedItem, Result<Outcome, Error>) {
        // What was read before it was sent is old.
        let together = self.together.filter(|_| prepared.as_ref().is_none_or(|prepared| !prepared.was_sent));
        Box::pin(DocumentWriter { together, ..*self }.write(item, prepared)).await
    }

    /// Prepares the write of an item whose live document was read together with others.
    async fn begin(&self, item: &mut PlannedItem) -> Begun {
        let name = item.name();
        let is_with_others = item.action.is_write() && item.action != Action::Delete;
        let live = self.together.filter(|_| is_with_others);
        let Some(live) = live.and_then(|read| read.planned_live_of(item, &name, self.is_monitored)) else {
            return Begun::Other(Progress::Single(None));
        };
        match self.restores.erased(self.deadline).await {
            Ok(erased) if !erased.contains(&name) => {}
            _ => return Begun::Other(Progress::Single(None)),
        }
        let ready = async {
            let mut body = match self.body_unless_conflict(item, &name).await? {
                Ok(body) => body,
                Err(conflict) => return Ok(Begun::Other(Progress::Ended(Ok(conflict)))),
            };
            let etag = item.live_etag.clone();
            if let Some(outcome) = self.conclude(item, &mut body, live.as_ref(), etag.as_deref(), false).await? {
                return Ok::<_, Error>(Begun::Other(Progress::Ended(Ok(outcome))));
            }
            let Some(body) = body else { return Ok(Begun::Other(Progress::Single(None))) };
            let item = Item::new(name.id.clone(), body.document())?;
            let is_small = item.text().len() <= MAX_BYTES_IN_BULK;
            let prepared = |body| Progress::Single(Some(Prepared { body, was_sent: false }));
            Ok(if is_small { Begun::InBulk(Ready { item, etag, body }) } else { Begun::Other(prepared(body)) })
        };
        ready.await.unwrap_or_else(|error| Begun::Other(Progress::Ended(Err(error))))
    }

    /// Writes in bulk what is ready. At most `concurrency` requests are in flight.
    async fn write_ready(&self, ready: Vec<Numbered<Ready>>, concurrency: usize) -> Vec<Numbered<Progress>> {
        let (mut begun, mut items, mut etags) = (Vec::new(), Vec::new(), Vec::new());
        for (index, (planned, Ready { item, etag, body })) in ready {
            begun.push((index, planned, body));
            items.push(item);
            etags.push(etag);
        }
        // The other half is for what is not written in bulk.
        let deadline = half_of_time_until(self.deadline);
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
