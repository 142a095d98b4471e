//! Tries the documents again that a unique key has refused on the pages of a job, after all pages are executed.
//!
//! Properties wanted: documents that exchange values are restored wherever the plan has them; the memory does not depend on the
//! number of refused documents; each page is counted once, with the outcome that it has then.
//!
//! The pages are read once more, one after the other. A refused document is tried alone. If it is refused again, the documents that have its
//! values are followed from one to the next, on whatever page they are, and what depends on each other is written in one
//! transaction. Each write has the etag of the plan, so a document that has changed since is a conflict.
//!
//! The race to mind: a worker may be killed after a transaction and before the pages are stored. The stamp of this restore shows
//! its own writes when the page of each document is tried, or when the job is cancelled.

use std::collections::{HashMap, HashSet};

use changefeed_cosmos::{Error, ErrorKind, KeyRange, retry};
use changefeed_jobs::{PageState, Part, PartPage, StoredPage};
use tokio::time::Instant;

use super::backup_files::Bodies;
use super::exchange_order::{Exchange, groups};
use super::planned_item::{Action, PlannedItem, UniqueKeyRetry};
use super::restore_page::{PAGE_KIND, RestorePage, StoredItem, document_tag, planned_items};
use super::restore_worker::{PageOutcome, RestoreWorker};
use super::unique_keys::unique_values;
use super::write::DocumentWriter;

/// The most documents that are followed from a refused one.
const MAX_FOLLOWED: usize = 500;

/// The message of a document that no longer was refused.
const WRITTEN_LATER: &str = "written after other documents of this restore, for a unique key";

/// A refused document, and where it is stored.
struct Member {
    item: PlannedItem,
    /// Its index in the page.
    index: usize,
    /// The id of its page.
    page: String,
}

/// Refused documents that depend on each other, and what is known of them.
struct Group {
    members: Vec<Member>,
    /// Documents that have values of members, and that are not written any more.
    others: Vec<PlannedItem>,
    /// The pages of members.
    pages: HashMap<String, StoredPage<StoredItem>>,
    /// The documents of members that are from a backup.
    bodies: Bodies,
}

impl RestoreWorker<'_> {
    /// Tries the refused documents of the next page again; `None` when the run is stopping.
    ///
    /// # Errors
    /// When a page cannot be read or stored, and a transient failure of a write.
    pub(super) async fn retry_refused(
        &self,
        range: &KeyRange,
        part: &Part,
        may_be_begun: bool,
    ) -> Result<Option<PartPage<PageOutcome>>, Error> {
        if self.is_to_stop().await {
            return Ok(None);
        }
        let (pages, continuation) = self.refused_pages(range, part).await?;
        let mut outcome = PageOutcome::default();
        for stored in pages {
            let page = self.retry_page(stored, may_be_begun).await?;
            outcome.add_retried(&planned_items(&page));
        }
        Ok(Some(PartPage { continuation, is_numbered: false, was_begun: may_be_begun, result: outcome }))
    }

    /// Counts the refused documents of the next page that were written together with those of earlier pages. No document is
    /// written. If the job is being cancelled, each document is read: an interrupted worker may have written it.
    ///
    /// # Errors
    /// When a page or a document cannot be read, or a page cannot be stored.
    pub(super) async fn find_written(&self, range: &KeyRange, part: &Part) -> Result<PartPage<PageOutcome>, Error> {
        let (pages, continuation) = self.refused_pages(range, part).await?;
        let mut outcome = PageOutcome::default();
        for stored in pages {
            let (mut items, deadline) = (planned_items(&stored.page), Instant::now() + self.restores.page_patience());
            let bodies = if self.run.is_cancelled() { self.stored_bodies(&stored.page).await? } else { Bodies::new() };
            let writer = DocumentWriter { is_after_pages: true, ..self.writer(&bodies, true, deadline) };
            let mut is_changed = false;
            let is_last_time = self.run.is_cancelled();
            for item in items.iter_mut().filter(|item| is_last_time && item.is_waiting()) {
                if let Some(written) = writer.find_written(planned_again(item.clone())).await? {
                    *item = finished(written);
                    is_changed = true;
                }
            }
            if is_changed {
                self.store(stored, &items, deadline).await?;
            }
            outcome.add_retried(&items);
        }
        Ok(PartPage { continuation, is_numbered: false, was_begun: true, result: outcome })
    }

    async fn refused_pages(
        &self,
        range: &KeyRange,
        part: &Part,
    ) -> Result<(Vec<StoredPage<StoredItem>>, Option<String>), Error> {
        let (jobs, from) = (&self.restores.jobs, part.continuation.as_deref());
        let deadline = Instant::now() + self.restores.page_patience();
        retry(deadline, || jobs.tagged_pages_of(PAGE_KIND, &self.job_id, range, from)).await
    }

    /// Tries the refused documents of a page again, and stores the page.
    async fn retry_page(&self, stored: StoredPage<StoredItem>, may_be_begun: bool) -> Result<RestorePage, Error> {
        let mut items = planned_items(&stored.page);
        if !items.iter().any(PlannedItem::is_waiting) {
            return Ok(stored.page);
        }
        let bodies = self.stored_bodies(&stored.page).await?;
        for index in 0..items.len() {
            let Some(item) = items.get(index).filter(|item| item.is_waiting()) else { continue };
            let deadline = Instant::now() + self.restores.page_patience();
            let writer = DocumentWriter { is_after_pages: true, ..self.writer(&bodies, may_be_begun, deadline) };
            let tried = writer.try_write(planned_again(item.clone())).await?;
            if tried.refusal.is_none() {
                set(&mut items, index, finished(tried));
                continue;
            }
            let group = self.follow(&stored.page.id, &items, index, &bodies, deadline).await?;
            self.write_group(group, &stored.page.id, &mut items, index, may_be_begun).await?;
        }
        let page = self.store(stored, &items, Instant::now() + self.restores.page_patience()).await?;
        if planned_items(&page).iter().any(PlannedItem::is_waiting) {
            let message = "another worker has stored the page meanwhile";
            return Err(Error::new(ErrorKind::Unavailable, format!("storing page {}", page.id), message));
        }
        Ok(page)
    }

    /// Follows the documents that have the values of a refused one, and those that have the values of these.
    async fn follow(
        &self,
        page: &str,
        items: &[PlannedItem],
        index: usize,
        bodies: &Bodies,
        deadline: Instant,
    ) -> Result<Group, Error> {
        let mut group =
            Group { members: Vec::new(), others: Vec::new(), pages: HashMap::new(), bodies: bodies.clone() };
        group.members.extend(items.get(index).map(|item| Member::new(item, index, page)));
        let mut seen: HashSet<String> = group.members.iter().map(|member| member.item.id.clone()).collect();
        let mut next = 0;
        while let Some(member) = group.members.get(next) {
            next += 1;
            let item = member.item.clone();
            for holder in self.holders(&item, &group.bodies, deadline).await? {
                if group.members.len() == MAX_FOLLOWED || !seen.insert(holder.clone()) {
                    continue;
                }
                let is_holder = |other: &PlannedItem| other.id == holder && other.partition_key == item.partition_key;
                let mut own = items.iter().enumerate().filter(|(_, other)| other.retry.is_some() && is_holder(other));
                if let Some((own, other)) = own.next_back() {
                    group.add(other, own, page);
                    continue;
                }
                let tag = document_tag(&PlannedItem { id: holder.clone(), ..item.clone() });
                let jobs = &self.restores.jobs;
                let pages =
                    retry(deadline, || jobs.pages_with_tag::<StoredItem>(PAGE_KIND, &self.job_id, &tag)).await?;
                for stored in pages.into_iter().filter(|stored| stored.page.id != page) {
                    let others = planned_items(&stored.page);
                    let Some(number) = others.iter().rposition(|other| other.retry.is_some() && is_holder(other))
                    else {
                        continue;
                    };
                    let Some(other) = others.get(number) else { continue };
                    if let Some(line) = &other.backup_line {
                        let body = self.stored_bodies(&stored.page).await?.remove(line);
                        group.bodies.extend(body.map(|body| (line.clone(), body)));
                    }
                    group.add(other, number, &stored.page.id);
                    group.pages.entry(stored.page.id.clone()).or_insert(stored);
                }
            }
        }
        Ok(group)
    }

    /// The ids of the documents that have values which a refused document is to have.
    async fn holders(&self, item: &PlannedItem, bodies: &Bodies, deadline: Instant) -> Result<Vec<String>, Error> {
        let writer = self.writer(bodies, false, deadline);
        let Some(body) = permanent_as_none(writer.complete_body(item, &item.name()).await)?.flatten() else {
            return Ok(Vec::new());
        };
        let refusals = permanent_as_none(writer.refusals(&item.partition_key, &item.id, body.document()).await)?;
        Ok(refusals.unwrap_or_default().into_iter().filter_map(|refusal| refusal.holder).collect())
    }

    /// Writes the documents of a group, those first on which others depend, and stores the outcomes that are on other pages.
    /// The document at `index` has its final outcome then; others that could not be written are tried again in their turn.
    async fn write_group(
        &self,
        group: Group,
        page: &str,
        items: &mut [PlannedItem],
        index: usize,
        may_be_begun: bool,
    ) -> Result<(), Error> {
        let Group { members, others, mut pages, bodies } = group;
        let writer = |deadline| DocumentWriter { is_after_pages: true, ..self.writer(&bodies, may_be_begun, deadline) };
        let mut exchanges = Vec::new();
        for member in &members {
            exchanges.push(self.exchange(&member.item, &writer(Instant::now() + self.restores.page_patience())).await?);
        }
        let order = groups(&exchanges.iter().collect::<Vec<_>>());
        let mut tried: Vec<PlannedItem> = members.iter().map(|member| member.item.clone()).collect();
        tried.extend(others);
        for numbers in order {
            let deadline = Instant::now() + self.restores.page_patience();
            for number in numbers {
                if let Some(one) = tried.get_mut(number) {
                    *one = writer(deadline).try_write(planned_again(one.clone())).await?;
                }
            }
            writer(deadline).write_refused(&mut tried).await?;
            tried.iter_mut().for_each(|item| item.refusal = None);
        }
        let mut changed: HashSet<&str> = HashSet::new();
        for (member, item) in members.iter().zip(tried) {
            let is_own = member.page == page;
            let is_own_turn = is_own && member.index == index;
            let is_final =
                is_own_turn || item.action.is_write() || item.action == Action::Unchanged || !item.is_waiting();
            if !is_final {
                continue;
            }
            let item = finished(item);
            if is_own {
                set(items, member.index, item);
            } else if let Some(place) = pages.get_mut(&member.page).and_then(|it| it.page.items.get_mut(member.index)) {
                *place = StoredItem::from(item);
                changed.insert(&member.page);
            }
        }
        for (id, stored) in pages.iter().filter(|(id, _)| changed.contains(id.as_str())) {
            let finished = self
                .restores
                .jobs
                .finish_items_page(stored.clone(), Instant::now() + self.restores.page_patience())
                .await;
            if let Err(error) = finished {
                // Its turn finds what was written by the stamps.
                log::warn!("storing page {id} later: {error}");
            }
        }
        Ok(())
    }

    /// The unique values of a refused document, now and after its write.
    async fn exchange(&self, item: &PlannedItem, writer: &DocumentWriter<'_>) -> Result<Exchange, Error> {
        let unique_keys = &self.written.definition().unique_keys;
        let name = item.name();
        let body = permanent_as_none(writer.complete_body(item, &name).await)?.flatten();
        let live = writer.live(&name).await?.and_then(|live| live.document);
        let held = live.map(|live| unique_values(unique_keys, &live));
        let wanted = body.map(|body| unique_values(unique_keys, body.document()));
        // A document that cannot be read is not written, and keeps its values.
        Ok(Exchange { wanted: wanted.or_else(|| held.clone()).unwrap_or_default(), held })
    }

    /// The documents of a page that is from a backup.
    async fn stored_bodies(&self, page: &RestorePage) -> Result<Bodies, Error> {
        let line = page.items.iter().find_map(StoredItem::backup_line);
        let (Some(planner), Some(line)) = (self.backup_planner(), line) else { return Ok(Bodies::new()) };
        planner.bodies_of_page(line, page.from.as_deref(), page.next.as_deref()).await
    }

    /// Stores the items of a page. If another worker has stored it meanwhile, returns that page.
    async fn store(
        &self,
        stored: StoredPage<StoredItem>,
        items: &[PlannedItem],
        deadline: Instant,
    ) -> Result<RestorePage, Error> {
        let items = items.iter().cloned().map(StoredItem::from).collect();
        let page = RestorePage { state: PageState::Done, items, ..stored.page };
        self.restores.jobs.finish_items_page(StoredPage { page, ..stored }, deadline).await
    }
}

impl Member {
    fn new(item: &PlannedItem, index: usize, page: &str) -> Self {
        Self { item: item.clone(), index, page: page.to_owned() }
    }
}

impl Group {
    /// Adds a document that has a value of a member.
    fn add(&mut self, item: &PlannedItem, index: usize, page: &str) {
        if item.is_waiting() {
            self.members.push(Member::new(item, index, page));
        } else {
            self.others.push(item.clone());
        }
    }
}

fn set(items: &mut [PlannedItem], index: usize, item: PlannedItem) {
    if let Some(place) = items.get_mut(index) {
        *place = item;
    }
}

/// A refused document as it was planned.
fn planned_again(item: PlannedItem) -> PlannedItem {
    let action = if item.live_etag.is_some() { Action::Replace } else { Action::Create };
    PlannedItem { action, message: None, refusal: None, ..item }
}

/// A refused document with its final outcome.
fn finished(item: PlannedItem) -> PlannedItem {
    let message = item.message.or_else(|| item.action.is_write().then(|| WRITTEN_LATER.to_owned()));
    PlannedItem { message, refusal: None, retry: Some(UniqueKeyRetry::Done), ..item }
}

/// `None` in place of a permanent failure, which the write of the document reports.
fn permanent_as_none<T>(result: Result<T, Error>) -> Result<Option<T>, Error> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.is_transient() => Err(error),
        Err(_) => Ok(None),
    }
}
