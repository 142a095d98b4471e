//! Plans and executes the pages of a restore that is a job.
//!
//! A page is planned, the plan is stored, then it is executed, and its outcome is stored. Only then does the cursor advance. If
//! a worker is killed at any instant, the next one processes the same documents, and comes to the same counts and the same
//! records for an undo. A dry run stores its pages only; executing its plan later executes them as they are stored.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use changefeed_cosmos::{Container, Error, ErrorKind, KeyRange, MAX_TOGETHER, retry};
use changefeed_jobs::{Found, ItemPlaces, PageState, Part, PartPage, Parts, Planned, Run, StoredPage, plan_page};
use futures::{StreamExt, TryStreamExt};
use tokio::time::Instant;

use super::backup_files::{BackupFiles, Bodies, FilePosition};
use super::composition::Composition;
use super::plan_backup::BackupPlanner;
use super::plan_document::DocumentPlanner;
use super::plan_missing::{MissingPlanner, PlannedNames};
use super::plan_scan::ScanPlanner;
use super::plan_window::{WindowPages, WindowPlanner};
use super::planned_item::{Counts, PlannedItem, UniqueKeyRetry};
use super::read_together::ReadTogether;
use super::restore_page::{PAGE_KIND, RestorePage, StoredItem, page_item, planned_items, refused_tags};
use super::restore_phase::Phase;
use super::restore_record::{PLANNED_ITEMS_TTL, RestoreRecord};
use super::restore_request::{RestoreRequest, Selection, Target};
use super::restores::Restores;
use super::undo::may_be_written;
use super::write::{DocumentWriter, concluded_unless_transient};
use crate::scan::{DocumentScan, RecentStates};

/// The approximate request units for planning and writing a document.
const DOCUMENT_UNITS: f64 = 40.0;

/// What the job restores.
pub(super) enum Subject {
    /// Documents of the history.
    History(Box<RestoreRequest>),
    /// Documents of a backup.
    Backup(Box<RestoreRequest>, Box<BackupFiles>),
    /// The documents that another restore wrote.
    Undo(Box<RestoreRecord>),
}

/// The outcome of a page.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct PageOutcome {
    /// The counts of its items.
    pub counts: Counts,
    /// The number of documents and versions that were processed.
    pub processed: u64,
    /// The number of its items that were counted as conflicts before.
    pub recounted: u64,
}

impl PageOutcome {
    fn new(counts: Counts, processed: u64) -> Self {
        Self { counts, processed, recounted: 0 }
    }

    /// Adds the items of a page that were tried again.
    pub(super) fn add_retried(&mut self, items: &[PlannedItem]) {
        let retried = items.iter().filter(|item| item.retry == Some(UniqueKeyRetry::Done));
        let retried: Vec<PlannedItem> = retried.cloned().collect();
        self.recounted += retried.len() as u64;
        self.counts.add(Counts::of(&retried));
    }
}

/// This worker's slice of a restore.
pub(super) struct RestoreWorker<'a> {
    pub run: &'a Run,
    pub restores: &'a Restores,
    pub job_id: String,
    pub subject: Subject,
    /// The container that is written to.
    pub(super) written: Container,
    /// Whether that is the monitored container.
    is_monitored: bool,
    pub dry_run: bool,
    /// The counts of the stored plan that it executes.
    pub planned: Option<Counts>,
    force: bool,
    composition: Composition,
    page_items: usize,
    /// Parts that are read concurrently.
    pub parallel: usize,
    /// Parts of the phase that were not read to their end when the slice came to it.
    pub(super) open_parts: AtomicUsize,
    states: RecentStates,
    planned_names: PlannedNames,
    /// The second since 1970 from which on the history was complete when the job began.
    pub horizon: i64,
}

impl<'a> RestoreWorker<'a> {
    pub(super) async fn new(restores: &'a Restores, run: &'a Run) -> Result<Self, Error> {
        let request = run.property("request");
        let subject = match request["undo"].as_str() {
            Some(id) => Subject::Undo(Box::new(restores.record(id).await?)),
            None => {
                let request = Box::new(restores.request_of(&run.id(), request.clone()).await?);
                match &request.target {
                    Target::Backup(locations) => {
                        let files = async {
                            let mut files = BackupFiles::find(&restores.locations, locations).await?;
                            files.read_increments().await.map(|()| files)
                        };
                        let files = Box::new(run.set_up(files).await?);
                        Subject::Backup(request, files)
                    }
                    _ => Subject::History(request),
                }
            }
        };
        let planned = serde_json::from_value(run.property("plannedCounts"))
            .map_err(|error| Error::corrupt(format!("reading the plan of restore {}", run.id()), error))?;
        let into = run.property("into").as_str().map(str::to_owned);
        let flag = |name: &str| request[name] == true;
        let (page_items, parallel) = restores.jobs.options().within(run.ru_per_second(), DOCUMENT_UNITS);
        let parallel = match &subject {
            Subject::Backup(_, files) => parallel.min(files.concurrent_files()),
            Subject::History(_) | Subject::Undo(_) => parallel,
        };
        let composition = match &subject {
            Subject::History(request) | Subject::Backup(request, _) => restores.composition(request).await?,
            Subject::Undo(_) => Composition::default(),
        };
        Ok(Self {
            run,
            restores,
            job_id: run.id(),
            subject,
            written: restores.target_container(into.as_deref()).await?,
            is_monitored: into.is_none(),
            dry_run: flag("dryRun"),
            planned,
            force: flag("force"),
            composition,
            page_items,
            parallel,
            open_parts: AtomicUsize::new(usize::MAX),
            states: RecentStates::default(),
            planned_names: PlannedNames::default(),
            horizon: i64::MIN,
        })
    }

    /// Plans the next page of a part and, unless it is a dry run, executes it; `None` when the run is stopping.
    ///
    /// # Errors
    /// When the page cannot be planned or stored, and a transient failure of a write.
    pub(super) async fn page(
        &self,
        phase: Phase,
        parts: &Parts,
        part: Part,
        may_be_begun: bool,
    ) -> Result<Option<PartPage<PageOutcome>>, Error> {
        if let (Subject::Backup(_, files), Phase::Check) = (&self.subject, phase) {
            return self.check(files, &part).await;
        }
        if phase == Phase::Execute {
            return self.execute_stored(&parts.range(&part), &part, may_be_begun).await;
        }
        let id = self.page_id(phase, &part);
        let deadline = Instant::now() + self.restores.page_patience();
        let planned_bodies = Mutex::new(Bodies::new());
        let plan = || async {
            let (found, bodies) = self.plan(phase, parts, &part).await?;
            *planned_bodies.lock().unwrap_or_else(PoisonError::into_inner) = bodies;
            let items = self.restores.without_erased(found.items).await?.into_iter().map(StoredItem::from).collect();
            let page = RestorePage::planned(id.clone(), PAGE_KIND, self.job_id.clone(), items);
            let ttl = self.dry_run.then_some(PLANNED_ITEMS_TTL);
            let from = part.continuation.clone().filter(|_| phase == Phase::Backup);
            Ok(RestorePage { from, next: found.next, processed: found.processed, ttl, ..page })
        };
        let (stored, was_begun) = match plan_page(self.run, &id, may_be_begun, deadline, plan).await? {
            Planned::Stored(stored, was_begun) => (stored, was_begun),
            Planned::Empty(page) => {
                return Ok(Some(page.moved(false, false, PageOutcome::new(Counts::default(), page.processed))));
            }
            Planned::Stopping => return Ok(None),
        };
        let page = if stored.page.state == PageState::Done || self.dry_run {
            stored.page
        } else {
            let bodies = match self.backup_planner() {
                Some(planner) if was_begun && phase == Phase::Backup => {
                    let (from, until) = (part.continuation.as_deref(), stored.page.next.as_deref());
                    planner.bodies(part.number, from, until).await?
                }
                _ => planned_bodies.into_inner().unwrap_or_else(PoisonError::into_inner),
            };
            self.execute(stored, &bodies, was_begun, deadline).await?
        };
        Ok(Some(page.moved(true, was_begun, PageOutcome::new(Counts::of(&planned_items(&page)), page.processed))))
    }

    /// Waits until the budget allows another page. Whether the run is stopping.
    pub(super) async fn is_to_stop(&self) -> bool {
        if !self.run.is_stopping() {
            self.run.pace().await;
        }
        self.run.is_stopping()
    }

    /// Executes the next stored page of a plan; `None` when the run is stopping. Nothing is planned.
    async fn execute_stored(
        &self,
        range: &KeyRange,
        part: &Part,
        may_be_begun: bool,
    ) -> Result<Option<PartPage<PageOutcome>>, Error> {
        if self.is_to_stop().await {
            return Ok(None);
        }
        let deadline = Instant::now() + self.restores.page_patience();
        let (jobs, from) = (&self.restores.jobs, part.continuation.as_deref());
        let (pages, continuation) = if self.backup_planner().is_some() {
            // The lines of a file are executed in their order, because the later line of a document counts.
            let id = match self.file(part) {
                Some(_) => self.page_id(Phase::Backup, part),
                None => self.page_id(Phase::Missing, &Part { number: 0, ..part.clone() }),
            };
            let page = retry(deadline, || jobs.items_page::<StoredItem>(&id)).await?;
            let next = page.as_ref().and_then(|stored| stored.page.next.clone());
            (page.into_iter().collect(), next)
        } else {
            retry(deadline, || jobs.pages_of::<StoredItem>(PAGE_KIND, &self.job_id, range, from)).await?
        };
        let (mut counts, mut processed, mut was_begun) = (Counts::default(), 0, false);
        for stored in pages {
            let page = if stored.page.state == PageState::Done {
                was_begun = may_be_begun;
                stored.page
            } else {
                let (from, until) = (stored.page.from.as_deref(), stored.page.next.as_deref());
                let bodies = match (self.backup_planner(), self.file(part)) {
                    (Some(planner), Some(file)) => planner.bodies(file, from, until).await?,
                    _ => Bodies::new(),
                };
                let stored = StoredPage { page: RestorePage { ttl: None, ..stored.page }, ..stored };
                self.execute(stored, &bodies, may_be_begun, deadline).await?
            };
            counts.add(Counts::of(&planned_items(&page)));
            processed += page.items.len() as u64;
        }
        Ok(Some(PartPage { continuation, is_numbered: true, was_begun, result: PageOutcome::new(counts, processed) }))
    }

    /// The number of parts of a stored plan of a backup: its files, and the pages of the documents that it does not have.
    pub(super) fn plan_parts(files: &BackupFiles) -> usize {
        files.count() + 1
    }

    /// The file of a part of a backup; `None` for the documents that the backup does not have.
    fn file(&self, part: &Part) -> Option<usize> {
        let Subject::Backup(_, files) = &self.subject else { return None };
        Some(part.number).filter(|number| *number < files.count())
    }

    /// The id of a page of this job.
    fn page_id(&self, phase: Phase, part: &Part) -> String {
        format!("{}-items-{}-{:03}-{:05}", self.job_id, phase.name(), part.number, part.page)
    }

    /// Reads a file of a backup, or a part of it, to find damage.
    async fn check(&self, files: &BackupFiles, part: &Part) -> Result<Option<PartPage<PageOutcome>>, Error> {
        if self.run.is_stopping() {
            return Ok(None);
        }
        let next = files.check(part.number, FilePosition::parse(part.continuation.as_deref())?).await?;
        let (continuation, result) = (next.map(|next| next.to_string()), PageOutcome::default());
        Ok(Some(PartPage { continuation, is_numbered: false, was_begun: false, result }))
    }

    /// Plans a page. Returns the bodies of its documents too, if they are from a backup.
    async fn plan(&self, phase: Phase, parts: &Parts, part: &Part) -> Result<(Found<PlannedItem>, Bodies), Error> {
        if let Some(planner) = self.backup_planner().filter(|_| phase == Phase::Backup) {
            return planner.page(part.number, part.continuation.as_deref()).await;
        }
        let (range, continuation) = (parts.range(part), part.continuation.as_deref());
        let found = match &self.subject {
            Subject::Backup(request, _) => self.plan_missing(request, continuation).await?,
            Subject::Undo(record) => self.plan_undo(record, &range, continuation).await?,
            Subject::History(request) => self.plan_history(request, phase, &range, continuation).await?,
        };
        Ok((found, Bodies::new()))
    }

    /// Plans a page of the listed documents that the backup does not have.
    async fn plan_missing(
        &self,
        request: &RestoreRequest,
        continuation: Option<&str>,
    ) -> Result<Found<PlannedItem>, Error> {
        let Selection::Documents(documents) = &request.selection else {
            return Err(Error::internal("planning a restore", "only the documents of a list can be missing"));
        };
        let (jobs, job_id, planned) = (&self.restores.jobs, &self.job_id, &self.planned_names);
        MissingPlanner { jobs, job_id, page_items: self.page_items, planned }.page(documents, continuation).await
    }

    pub(super) fn backup_planner(&self) -> Option<BackupPlanner<'_>> {
        let Subject::Backup(request, files) = &self.subject else { return None };
        Some(BackupPlanner {
            restores: self.restores,
            request,
            fields: self.composition.fields.as_ref(),
            files,
            written: &self.written,
            page_items: self.page_items,
            places: self.places(),
        })
    }

    /// Plans a page of documents of the history.
    async fn plan_history(
        &self,
        request: &RestoreRequest,
        phase: Phase,
        range: &KeyRange,
        continuation: Option<&str>,
    ) -> Result<Found<PlannedItem>, Error> {
        let (filters, key): (&[_], _) = match &request.selection {
            Selection::Filter { filters, .. } => (filters, None),
            Selection::Partition(key) => (&[], Some(key)),
            Selection::Documents(_) | Selection::Window(_) | Selection::All => (&[], None),
        };
        let last_change = request.target.seconds().map_or(i64::MAX, |(last_change, _)| last_change);
        if let Some(window) = &self.composition.window {
            window.check_horizon(self.horizon)?;
            let pages = WindowPages {
                planner: WindowPlanner { restores: self.restores, window, fields: self.composition.fields.as_ref() },
                recorded_until: self.run.begun_second().unwrap_or(i64::MAX),
                page_items: self.page_items,
                places: self.places(),
                states: &self.states,
            };
            let found = pages.page(range, continuation).await?;
            self.check_horizon(last_change).await?;
            return Ok(found);
        }
        let scan = DocumentScan {
            history: &self.restores.history,
            filters,
            key,
            last_change,
            horizon: self.horizon,
            recorded_until: self.run.begun_second(),
            restore_id: (!self.dry_run).then_some(self.job_id.as_str()),
            page_items: self.page_items,
            places: self.places(),
            states: &self.states,
        };
        let (restores, written, horizon) = (self.restores, &self.written, self.horizon);
        let fields = self.composition.fields.as_ref();
        let planner = DocumentPlanner { restores, request, fields, written, horizon, looked_up: AtomicUsize::new(0) };
        let pages = ScanPlanner { planner, scan };
        let found = match (phase, &request.selection) {
            (_, Selection::Documents(documents)) => pages.documents(documents, continuation).await,
            (Phase::Past, _) => pages.past(range, continuation).await,
            _ => pages.live(range, continuation).await,
        }?;
        self.check_horizon(last_change).await?;
        Ok(found)
    }

    /// Fails when the retention may have removed versions that the page needs: it announces a horizon before it removes.
    async fn check_horizon(&self, last_change: i64) -> Result<(), Error> {
        let announced = self.restores.history.horizon().await?;
        if announced == self.horizon || announced <= last_change {
            return Ok(());
        }
        Err(Error::invalid(
            "planning a restore",
            "versions of the target time are being removed by the retention; use a later time",
        ))
    }

    /// Plans the undo of a page of another restore.
    async fn plan_undo(
        &self,
        record: &RestoreRecord,
        range: &KeyRange,
        continuation: Option<&str>,
    ) -> Result<Found<PlannedItem>, Error> {
        let (pages, next) = self.restores.jobs.pages_of(PAGE_KIND, &record.id, range, continuation).await?;
        let items: Vec<PlannedItem> =
            pages.iter().flat_map(|stored: &StoredPage<StoredItem>| planned_items(&stored.page)).collect();
        let processed = items.len() as u64;
        let written: Vec<PlannedItem> =
            items.into_iter().filter(|item| may_be_written(item) || item.is_waiting()).collect();
        let mut planned: Vec<Option<PlannedItem>> = Vec::new();
        let mut groups = futures::stream::iter(written).chunks(MAX_TOGETHER);
        while let Some(items) = groups.next().await {
            let together = &ReadTogether::to_undo(self.restores, &self.written, &items).await;
            let plan = |item: PlannedItem| async move {
                let name = item.name();
                let planned = async {
                    if item.is_waiting() && !self.restores.is_last_writer(&record.id, &name, &self.written).await? {
                        return Ok(None);
                    }
                    self.restores.plan_undo_item(item, &self.written, record, self.force, together).await.map(Some)
                };
                page_item(name.clone(), planned.await)
            };
            let places = self.places();
            let items = futures::stream::iter(items).map(|item| places.take(plan(item))).buffered(places.count());
            planned.extend(items.try_collect::<Vec<_>>().await?);
        }
        Ok(Found { items: planned.into_iter().flatten().collect(), next, processed })
    }

    /// Executes a planned page, and stores its outcome.
    async fn execute(
        &self,
        stored: StoredPage<StoredItem>,
        bodies: &Bodies,
        was_begun: bool,
        deadline: Instant,
    ) -> Result<RestorePage, Error> {
        let writer = self.writer(bodies, was_begun, deadline);
        self.restores.erased(deadline).await?;
        let items = planned_items(&stored.page);
        let written = writer.write_in_groups(items, &self.places(), self.requests_of_a_page()).await;
        let written = written.into_iter().map(|(item, outcome)| concluded_unless_transient(item, outcome));
        // All writes have ended. After a transient failure, the same plan is executed again.
        let mut items = written.collect::<Result<Vec<PlannedItem>, Error>>()?;
        writer.write_refused(&mut items).await?;
        let tags = refused_tags(&items);
        let items = items.into_iter().map(StoredItem::from).collect();
        let page = RestorePage { state: PageState::Done, items, tags, ..stored.page };
        let stored = StoredPage { page, etag: stored.etag, second: stored.second };
        self.restores.jobs.finish_items_page(stored, deadline).await
    }

    /// Writes documents with these bodies until the deadline. `was_begun`: an interrupted worker may have begun to write them.
    pub(super) fn writer<'w>(&'w self, bodies: &'w Bodies, was_begun: bool, deadline: Instant) -> DocumentWriter<'w> {
        DocumentWriter {
            restores: self.restores,
            container: &self.written,
            is_monitored: self.is_monitored,
            force: self.force,
            composition: &self.composition,
            restore_id: &self.job_id,
            second: self.run.second(),
            deadline,
            is_shared: true,
            was_begun,
            is_after_pages: false,
            bodies,
            may_repeat_documents: matches!(&self.subject, Subject::Backup(_, files) if files.may_repeat_documents()),
            together: None,
        }
    }

    /// Whether documents that a unique key has refused may be on the pages.
    pub(super) fn may_have_refused(&self, counts: &Counts) -> bool {
        !self.dry_run && counts.conflict > 0 && !self.written.definition().unique_keys.is_empty()
    }

    /// Refuses an undo when another one has claimed the restore that it is to undo.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`].
    pub(super) fn check_claim(&self) -> Result<(), Error> {
        let Subject::Undo(undone) = &self.subject else { return Ok(()) };
        match &undone.last_undo {
            Some(undo) if !self.dry_run && *undo != self.job_id => {
                let message = format!("another undo of it was started: {undo}");
                Err(Error::new(ErrorKind::Conflict, format!("undoing restore {}", undone.id), message))
            }
            _ => Ok(()),
        }
    }

    /// The places for documents that are planned or written concurrently.
    fn places(&self) -> ItemPlaces {
        self.run.items(self.restores.options.concurrency)
    }

    /// Requests for many documents of a page that are sent concurrently.
    fn requests_of_a_page(&self) -> usize {
        let pages = self.parallel.min(self.open_parts.load(Ordering::Relaxed));
        (self.restores.options.concurrency / self.run.pages_at_once(pages)).max(1)
    }
}
