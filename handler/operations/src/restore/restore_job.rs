//! A restore as a job: a slice of it.
//!
//! Documents are gone through in phases, each in parts that are worked on side by side, page by page. A page is planned,
//! the plan is stored, then it is executed, then what became of it is stored, and then the cursor moves: whoever is killed
//! at whatever instant, the next runner comes to the same documents, the same counts and the same records for the undo.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use changefeed_cosmos::{Container, DocumentName, Error, KeyRange};
use changefeed_jobs::{Found, JobState, PageState, Part, PartPage, Parts, Planned, Run, Step, StoredPage, plan_page, read_parts};
use futures::{StreamExt, TryStreamExt};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::backup_files::{BackupFiles, FilePosition};
use super::execute::Execution;
use super::from_backup::{Bodies, FromBackup};
use super::plan::{Counts, PlannedItem};
use super::record::state_of;
use super::request::{RestoreRequest, Selection, Target};
use super::restores::Restores;
use super::scanned::{Scanned, has_past, told};
use super::stored_item::{PAGE_KIND, RestorePage, StoredItem, planned_items};
use super::undo::UndoOf;
use crate::scan::{Scan, Seen};

/// How long a page's requests are tried again within a slice.
const PAGE_PATIENCE: Duration = Duration::from_secs(20);
/// What a document's restore costs, about: planning and writing it.
const DOCUMENT_UNITS: f64 = 40.0;
/// Pages of an undone restore in each part that they are cut into.
const PART_PAGES: u64 = 10;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Phase {
    /// The documents of a list.
    Documents,
    /// The live documents.
    Live,
    /// Those that are not live, by their versions.
    Past,
    /// The pages of the restore that is undone.
    Undo,
    /// The files of a backup, read once before anything is written: what is damaged is not restored.
    Check,
    /// The documents of a backup.
    Backup,
}

impl Phase {
    fn name(self) -> &'static str {
        match self {
            Self::Documents => "documents",
            Self::Live => "live",
            Self::Past => "past",
            Self::Undo => "undo",
            Self::Check => "check",
            Self::Backup => "backup",
        }
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Cursor {
    phase: Phase,
    parts: Parts,
    /// From which second on the history was believed when the job began.
    horizon: i64,
}

/// What the work is about.
enum Subject {
    Restore(Box<RestoreRequest>),
    /// A restore from a backup.
    Backup(Box<RestoreRequest>, Box<BackupFiles>),
    Undo(Box<UndoOf>),
}

struct Worker<'a> {
    run: &'a Run,
    restores: &'a Restores,
    job_id: String,
    subject: Subject,
    written: Container,
    into: bool,
    dry_run: bool,
    force: bool,
    page_items: usize,
    parallel: usize,
    seen: Seen,
    horizon: i64,
}

/// Works on a restore until it is done or the run is stopping.
pub(super) async fn work(restores: &Restores, run: &Run) -> Result<Step, Error> {
    let mut worker = Worker::new(restores, run).await?;
    let mut counts: Counts = run.counts()?;
    let mut cursor = match run.cursor::<Cursor>()? {
        Some(cursor) => cursor,
        None => {
            worker.horizon = restores.history.horizon().await?;
            if worker.has_past() {
                run.settle().await?;
            }
            let cursor = worker.begin(worker.first_phase()).await?;
            run.begin(&cursor, &counts).await?;
            cursor
        }
    };
    worker.horizon = cursor.horizon;
    loop {
        let phase = cursor.phase;
        let moved = |parts: &Parts, (page, processed): (Counts, u64)| {
            counts.add(page);
            run.advance(&Cursor { phase, parts: parts.clone(), horizon: worker.horizon }, &counts, processed)
        };
        let parts = cursor.parts.clone();
        let page = |part: Part, may_be_begun| worker.page(phase, &parts, part, may_be_begun);
        cursor.parts = read_parts(run, cursor.parts.clone(), worker.parallel, page, moved).await?;
        if !cursor.parts.is_done() {
            return Ok(Step::More);
        }
        let Some(next) = worker.phase_after(phase) else { break };
        cursor = worker.begin(next).await?;
        run.begin(&cursor, &counts).await?;
    }
    worker.conclude(&counts).await
}

impl<'a> Worker<'a> {
    async fn new(restores: &'a Restores, run: &'a Run) -> Result<Self, Error> {
        let request = run.property("request");
        let subject = match request["undo"].as_str() {
            Some(id) => Subject::Undo(Box::new(restores.undo_of(id).await?)),
            None => {
                let request = Box::new(restores.request_of(&run.id(), request.clone()).await?);
                match &request.target {
                    Target::Backup(places) => {
                        let files = async {
                            let mut files = BackupFiles::find(restores, places).await?;
                            files.decide().await.map(|()| files)
                        };
                        let files = Box::new(run.set_up(files).await?);
                        Subject::Backup(request, files)
                    }
                    _ => Subject::Restore(request),
                }
            }
        };
        let into = run.property("into").as_str().map(str::to_owned);
        let flag = |name: &str| request[name] == true;
        let (options, budget) = (restores.jobs.options(), run.ru_per_second());
        let (page_items, parallel) = options.within(budget, DOCUMENT_UNITS);
        let parallel = match &subject {
            Subject::Backup(_, files) => parallel.min(files.at_once()),
            Subject::Restore(_) | Subject::Undo(_) => parallel,
        };
        Ok(Self {
            run,
            restores,
            job_id: run.id(),
            subject,
            written: restores.target_container(into.as_deref()).await?,
            into: into.is_some(),
            dry_run: flag("dryRun"),
            force: flag("force"),
            page_items,
            parallel,
            seen: Seen::default(),
            horizon: i64::MIN,
        })
    }

    /// Whether documents are met by their versions.
    fn has_past(&self) -> bool {
        match &self.subject {
            Subject::Restore(request) => self.first_phase() == Phase::Live && has_past(request),
            Subject::Backup(..) | Subject::Undo(_) => false,
        }
    }

    fn first_phase(&self) -> Phase {
        match &self.subject {
            Subject::Undo(_) => Phase::Undo,
            // A plan finds the damage too.
            Subject::Backup(..) if self.dry_run => Phase::Backup,
            Subject::Backup(..) => Phase::Check,
            Subject::Restore(request) => match request.selection {
                Selection::Documents(_) => Phase::Documents,
                _ => Phase::Live,
            },
        }
    }

    fn phase_after(&self, phase: Phase) -> Option<Phase> {
        match &self.subject {
            Subject::Backup(..) => (phase == Phase::Check).then_some(Phase::Backup),
            Subject::Restore(_) if phase == Phase::Live => self.has_past().then_some(Phase::Past),
            _ => None,
        }
    }

    /// The parts of a phase, and how much there is to look at.
    async fn begin(&self, phase: Phase) -> Result<Cursor, Error> {
        let (run, part_items) = (self.run, self.restores.jobs.options().part_items);
        let parts = match (&self.subject, phase) {
            (Subject::Restore(request), Phase::Documents) => {
                if let Selection::Documents(documents) = &request.selection {
                    run.set_total(Some(documents.len() as u64));
                }
                Parts::one()
            }
            (Subject::Restore(request), _) if matches!(request.selection, Selection::Partition(_)) => Parts::one(),
            (Subject::Restore(request), _) => {
                let history = &self.restores.history;
                let container = if phase == Phase::Live { history.monitored() } else { history.changes() };
                let container = container.open().await?;
                let items = container.count().await?;
                if request.selection == Selection::All {
                    let versions = match phase {
                        Phase::Live => self.restores.history.changes().open().await?.count().await?,
                        _ => Some(run.done()),
                    };
                    run.set_total(items.zip(versions).map(|(items, others)| items + others));
                }
                Parts::of(&container, items, part_items).await?
            }
            (Subject::Backup(_, files), _) => {
                run.set_total(files.total());
                Parts::numbered(files.count())
            }
            (Subject::Undo(undo), _) => {
                run.set_total(Some(undo.documents()));
                let pages = undo.documents().div_ceil(self.restores.jobs.options().page_items as u64);
                Parts::of(&self.restores.jobs.open().await?, Some(pages), PART_PAGES).await?
            }
        };
        Ok(Cursor { phase, parts, horizon: self.horizon })
    }

    async fn page(
        &self,
        phase: Phase,
        parts: &Parts,
        part: Part,
        may_be_begun: bool,
    ) -> Result<Option<PartPage<(Counts, u64)>>, Error> {
        if let (Subject::Backup(_, files), Phase::Check) = (&self.subject, phase) {
            if self.run.is_stopping() {
                return Ok(None);
            }
            let next = files.check(part.number, FilePosition::of(part.continuation.as_deref())?).await?;
            let (continuation, result) = (next.map(|next| next.to_string()), (Counts::default(), 0));
            return Ok(Some(PartPage { continuation, is_numbered: false, was_begun: false, result }));
        }
        let id = format!("{}-items-{}-{:03}-{:05}", self.job_id, phase.name(), part.number, part.page);
        let deadline = Instant::now() + PAGE_PATIENCE;
        let planned_bodies = Mutex::new(Bodies::new());
        let continuation = part.continuation.clone();
        let plan = || async {
            let (found, bodies) = self.plan(phase, parts, &part).await?;
            *planned_bodies.lock().unwrap_or_else(PoisonError::into_inner) = bodies;
            let items = found.items.into_iter().map(StoredItem::from).collect();
            let page = RestorePage::planned(id.clone(), PAGE_KIND, self.job_id.clone(), items);
            let ttl = self.dry_run.then_some(super::create_job::PLAN_TTL);
            Ok(RestorePage { next: found.next, processed: found.processed, ttl, ..page })
        };
        let (stored, was_begun) = match plan_page(self.run, &id, may_be_begun, deadline, plan).await? {
            Planned::Stored(stored, was_begun) => (stored, was_begun),
            Planned::Empty(page) => return Ok(Some(page.moved(false, false, (Counts::default(), page.processed)))),
            Planned::Stopping => return Ok(None),
        };
        let page = if stored.page.state == PageState::Done || self.dry_run {
            stored.page
        } else {
            let bodies = match self.backup() {
                Some(backup) if was_begun => {
                    backup.bodies(part.number, continuation.as_deref(), stored.page.next.as_deref()).await?
                }
                _ => planned_bodies.into_inner().unwrap_or_else(PoisonError::into_inner),
            };
            self.execute(stored, &bodies, deadline).await?
        };
        Ok(Some(page.moved(true, was_begun, (Counts::of(&planned_items(&page)), page.processed))))
    }

    /// Plans a page; and the bodies that it puts back, where they are in no version.
    async fn plan(&self, phase: Phase, parts: &Parts, part: &Part) -> Result<(Found<PlannedItem>, Bodies), Error> {
        if let Some(backup) = self.backup() {
            return backup.page(part.number, part.continuation.as_deref()).await;
        }
        self.plan_versions(phase, parts, part).await.map(|found| (found, Bodies::new()))
    }

    fn backup(&self) -> Option<FromBackup<'_>> {
        let Subject::Backup(request, files) = &self.subject else { return None };
        Some(FromBackup {
            restores: self.restores,
            request,
            files,
            written: &self.written,
            page_items: self.page_items,
            concurrency: self.concurrency(),
        })
    }

    async fn plan_versions(&self, phase: Phase, parts: &Parts, part: &Part) -> Result<Found<PlannedItem>, Error> {
        let (range, continuation) = (parts.range(part), part.continuation.as_deref());
        match &self.subject {
            Subject::Undo(undo) => self.plan_undo(undo, &range, continuation).await,
            Subject::Backup(..) => Err(Error::invalid("planning a restore", "a backup has no versions")),
            Subject::Restore(request) => {
                let found = match (phase, &request.selection) {
                    (_, Selection::Documents(documents)) => self.scan(request).documents(documents, continuation).await,
                    (Phase::Past, _) => self.scan(request).past(&range, continuation).await,
                    _ => self.scan(request).live(&range, continuation).await,
                }?;
                self.believe(request).await?;
                Ok(found)
            }
        }
    }

    /// Fails when versions that a plan counted on may have been removed while it was made; that is announced before.
    async fn believe(&self, request: &RestoreRequest) -> Result<(), Error> {
        let announced = self.restores.history.horizon().await?;
        let last_change = request.target.seconds().map_or(i64::MAX, |(last_change, _)| last_change);
        if announced == self.horizon || announced <= last_change {
            return Ok(());
        }
        Err(Error::invalid(
            "planning a restore",
            "versions of the target time are being removed by the retention; choose a later time",
        ))
    }

    fn scan<'b>(&'b self, request: &'b RestoreRequest) -> Scanned<'b> {
        let (filters, key): (&[_], _) = match &request.selection {
            Selection::Filter { filters, .. } => (filters, None),
            Selection::Partition(key) => (&[], Some(key)),
            Selection::Documents(_) | Selection::All => (&[], None),
        };
        let scan = Scan {
            history: &self.restores.history,
            filters,
            key,
            last_change: request.target.seconds().map_or(i64::MAX, |(last_change, _)| last_change),
            horizon: self.horizon,
            recorded_until: self.run.begun_second(),
            page_items: self.page_items,
            concurrency: self.concurrency(),
            seen: &self.seen,
        };
        Scanned { restores: self.restores, request, scan, written: &self.written }
    }

    /// Plans the undoing of one page of the restore.
    async fn plan_undo(
        &self,
        undo: &UndoOf,
        range: &KeyRange,
        continuation: Option<&str>,
    ) -> Result<Found<PlannedItem>, Error> {
        let (pages, next) = self.restores.jobs.pages_of(PAGE_KIND, &undo.record.id, range, continuation).await?;
        let items: Vec<PlannedItem> =
            pages.iter().flat_map(|stored: &StoredPage<StoredItem>| planned_items(&stored.page)).collect();
        let processed = items.len() as u64;
        let plan = |item: PlannedItem| {
            let restores = self.restores;
            let name = DocumentName { id: item.id.clone(), partition_key: item.partition_key.clone() };
            async move {
                let planned = restores.plan_undo_item(item, &self.written, &undo.record, self.force).await;
                told(name, planned.map(Some))
            }
        };
        let attempted: Vec<PlannedItem> = items.into_iter().filter(super::undo::is_attempted).collect();
        let planned: Vec<Option<PlannedItem>> =
            futures::stream::iter(attempted).map(plan).buffered(self.concurrency()).try_collect().await?;
        Ok(Found { items: planned.into_iter().flatten().collect(), next, processed })
    }

    async fn execute(
        &self,
        stored: StoredPage<StoredItem>,
        bodies: &Bodies,
        deadline: Instant,
    ) -> Result<RestorePage, Error> {
        let execution = Execution {
            restores: self.restores,
            container: &self.written,
            monitored: !self.into,
            force: self.force,
            restore_id: &self.job_id,
            second: self.run.second(),
            deadline,
            shared: true,
            bodies,
        };
        let results: Vec<Result<PlannedItem, Error>> = futures::stream::iter(planned_items(&stored.page))
            .map(|item| execution.apply_or_fail(item))
            .buffered(self.concurrency())
            .collect()
            .await;
        // Every write under way has ended; what failed for now is tried again with the same plan.
        let items = results.into_iter().collect::<Result<Vec<PlannedItem>, Error>>()?;
        let page =
            RestorePage { state: PageState::Done, items: items.into_iter().map(Into::into).collect(), ..stored.page };
        self.restores
            .jobs
            .finish_items_page(StoredPage { page, etag: stored.etag, second: stored.second }, deadline)
            .await
    }

    fn concurrency(&self) -> usize {
        (self.restores.options.concurrency / self.parallel).max(1)
    }

    /// How the restore ended.
    async fn conclude(&self, counts: &Counts) -> Result<Step, Error> {
        if self.dry_run {
            return Ok(Step::Ended(JobState::Planned));
        }
        let state = state_of(counts);
        if let Subject::Undo(undo) = &self.subject
            && state == JobState::Done
            && counts.writes() > 0
        {
            self.restores.mark_undone(&undo.record.id, &self.job_id).await?;
        }
        Ok(Step::Ended(state))
    }
}

/// The request of an undo as it is recorded.
pub(super) fn undo_request(id: &str, dry_run: bool, force: bool) -> Value {
    let mut request = json!({ "undo": id });
    for (name, flag) in [("dryRun", dry_run), ("force", force)] {
        if flag {
            request[name] = Value::Bool(true);
        }
    }
    request
}
