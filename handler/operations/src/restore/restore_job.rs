//! The job of a restore: a slice goes through its phases, each read in parts, and stores its position.

use std::sync::atomic::Ordering;

use changefeed_cosmos::Error;
use changefeed_jobs::{JobKind, JobState, Jobs, Kind, Part, Parts, Run, Step, read_parts, read_to_end};
use futures::FutureExt;
use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};

use super::planned_item::Counts;
use super::restore_phase::Phase;
use super::restore_record::state_of;
use super::restore_request::{FilterOn, RestoreRequest, Selection};
use super::restore_worker::{PageOutcome, RestoreWorker, Subject};
use super::restores::{RESTORE, Restores};

/// The stored pages in each part of an undo or of the execution of a plan.
const PART_PAGES: u64 = 10;

/// The position of a restore.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Cursor {
    phase: Phase,
    parts: Parts,
    /// See [`RestoreWorker::horizon`].
    horizon: i64,
    /// The counts at this position, if the job's counts include documents of later pages.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    counts_here: Option<Counts>,
}

impl JobKind for Restores {
    fn kind(&self) -> Kind {
        RESTORE
    }

    fn work<'a>(&'a self, run: &'a Run) -> BoxFuture<'a, Result<Step, Error>> {
        async move { work(&self.metered(run.meter()), run).await }.boxed()
    }
}

/// Works on a restore until it is done or the run is stopping.
async fn work(restores: &Restores, run: &Run) -> Result<Step, Error> {
    let mut worker = RestoreWorker::new(restores, run).await?;
    let mut counts: Counts = run.counts()?;
    let stored = run.cursor::<Cursor>()?;
    // The cursor of a phase is stored before its first page begins.
    let mut is_resumed = stored.is_some();
    let mut cursor = match stored {
        Some(mut cursor) => {
            worker.horizon = cursor.horizon;
            let joined = worker.cursor(cursor.phase, cursor.parts.clone().read());
            if run.join_portions(&joined)? {
                (cursor, counts) = (joined, run.counts()?);
            }
            counts = cursor.counts_here.unwrap_or(counts);
            cursor
        }
        None => {
            worker.check_claim()?;
            worker.horizon = restores.history.horizon().await?;
            if has_past(&worker) || first_phase(&worker) == Phase::Window {
                run.settle().await?;
            }
            match begin(&worker, first_phase(&worker), &counts).await? {
                Some(cursor) => cursor,
                None => return Ok(Step::Waiting),
            }
        }
    };
    loop {
        let phase = cursor.phase;
        let advance = |parts: &Parts, page: PageOutcome| {
            counts.replace_conflicts(page.recounted, page.counts);
            run.advance(&worker.cursor(phase, parts.clone()), &counts, page.processed)
        };
        let parts = cursor.parts.clone();
        worker.open_parts.store(parts.open(), Ordering::Relaxed);
        let page = |part: Part, may_be_begun: bool| {
            let parts = &parts;
            let worker = &worker;
            let may_be_begun = may_be_begun && is_resumed;
            async move {
                let _place = run.place().await;
                match phase {
                    Phase::Exchange => worker.retry_refused(&parts.range(&part), &part, may_be_begun).await,
                    _ => worker.page(phase, parts, part, may_be_begun).await,
                }
            }
        };
        // A document of one page may be written together with those of others.
        let parallel = if phase == Phase::Exchange { 1 } else { worker.parallel };
        cursor.parts = read_parts(run, cursor.parts.clone(), parallel, page, advance).await?;
        if !cursor.parts.is_done() {
            if phase == Phase::Exchange {
                count_rest(&worker, cursor.parts, counts).await?;
            }
            return Ok(Step::More);
        }
        if run.is_portion() {
            return Ok(Step::Ended(JobState::Done));
        }
        let Some(next) = phase_after(&worker, phase, &counts) else { break };
        let Some(begun) = begin(&worker, next, &counts).await? else { return Ok(Step::Waiting) };
        (cursor, is_resumed) = (begun, false);
    }
    conclude(&worker, &counts).await
}

/// Counts the documents too that were written together with others, and whose own pages come later.
async fn count_rest(worker: &RestoreWorker<'_>, parts: Parts, counts_here: Counts) -> Result<(), Error> {
    let mut counts = counts_here;
    let page = |part: Part| {
        let range = parts.range(&part);
        async move { worker.find_written(&range, &part).await }
    };
    let add = |page: PageOutcome| counts.replace_conflicts(page.recounted, page.counts);
    read_to_end(parts.clone(), page, add).await?;
    let cursor = Cursor { counts_here: Some(counts_here), ..worker.cursor(Phase::Exchange, parts) };
    worker.run.advance(&cursor, &counts, 0)
}

impl RestoreWorker<'_> {
    fn cursor(&self, phase: Phase, parts: Parts) -> Cursor {
        Cursor { phase, parts, horizon: self.horizon, counts_here: None }
    }
}

fn first_phase(worker: &RestoreWorker<'_>) -> Phase {
    match &worker.subject {
        // Lines of a backup are read again, so damage is searched for again.
        Subject::Backup(..) if worker.planned.is_some() => Phase::Check,
        _ if worker.planned.is_some() => Phase::Execute,
        Subject::Undo(_) => Phase::Undo,
        // A dry run writes nothing, and finds damage when it plans.
        Subject::Backup(..) if worker.dry_run => Phase::Backup,
        Subject::Backup(..) => Phase::Check,
        Subject::History(request) => match request.selection {
            Selection::Documents(_) => Phase::Documents,
            Selection::Window(_) => Phase::Window,
            _ => Phase::Live,
        },
    }
}

fn phase_after(worker: &RestoreWorker<'_>, phase: Phase, counts: &Counts) -> Option<Phase> {
    let next = page_phase_after(worker, phase);
    let is_last = next.is_none() && phase != Phase::Exchange;
    next.or((is_last && worker.may_have_refused(counts)).then_some(Phase::Exchange))
}

/// The next phase that plans or executes pages.
fn page_phase_after(worker: &RestoreWorker<'_>, phase: Phase) -> Option<Phase> {
    match &worker.subject {
        Subject::Backup(..) if worker.planned.is_some() => (phase == Phase::Check).then_some(Phase::Execute),
        Subject::Backup(request, _) => match (phase, &request.selection) {
            (Phase::Check, _) => Some(Phase::Backup),
            (Phase::Backup, Selection::Documents(_)) => Some(Phase::Missing),
            _ => None,
        },
        Subject::History(_) if phase == Phase::Live => has_past(worker).then_some(Phase::Past),
        _ => None,
    }
}

/// Whether the restore has the phase [`Phase::Past`]: a list of documents has not, and neither has a filter of live documents.
fn has_past(worker: &RestoreWorker<'_>) -> bool {
    let Subject::History(request) = &worker.subject else { return false };
    if worker.planned.is_some() {
        return false;
    }
    !matches!(
        &request.selection,
        Selection::Documents(_) | Selection::Window(_) | Selection::Filter { on: FilterOn::Live, .. }
    )
}

/// Begins a phase; `None` if it was divided among portions. Sets the total of the job, where it is known.
async fn begin(worker: &RestoreWorker<'_>, phase: Phase, counts: &Counts) -> Result<Option<Cursor>, Error> {
    let parts = parts_of(worker, phase).await?;
    worker.run.begin_parts(parts, |parts| worker.cursor(phase, parts), counts).await
}

/// The parts of a phase.
async fn parts_of(worker: &RestoreWorker<'_>, phase: Phase) -> Result<Parts, Error> {
    let (run, jobs) = (worker.run, &worker.restores.jobs);
    Ok(match &worker.subject {
        _ if phase == Phase::Exchange => Parts::of(&jobs.open().await?, None, PART_PAGES).await?,
        _ if phase == Phase::Execute => {
            let documents = worker.planned.map_or(0, |planned| planned.total());
            run.set_total(Some(documents));
            match &worker.subject {
                Subject::Backup(_, files) => Parts::numbered(RestoreWorker::plan_parts(files)),
                Subject::History(_) | Subject::Undo(_) => pages_in_parts(jobs, documents).await?,
            }
        }
        Subject::History(request) => begin_history(worker, request, phase).await?,
        Subject::Backup(..) if phase == Phase::Missing => Parts::one(),
        Subject::Backup(_, files) => {
            run.set_total(files.total());
            Parts::numbered(files.count())
        }
        Subject::Undo(record) => {
            let documents = record.counts.total();
            run.set_total(Some(documents));
            pages_in_parts(jobs, documents).await?
        }
    })
}

/// The parts of the stored pages of a job with this number of documents.
async fn pages_in_parts(jobs: &Jobs, documents: u64) -> Result<Parts, Error> {
    let pages = documents.div_ceil(jobs.options().page_items as u64);
    Ok(Parts::of(&jobs.open().await?, Some(pages), PART_PAGES).await?.with_items(documents))
}

async fn begin_history(worker: &RestoreWorker<'_>, request: &RestoreRequest, phase: Phase) -> Result<Parts, Error> {
    let (run, history) = (worker.run, &worker.restores.history);
    match &request.selection {
        Selection::Documents(documents) => {
            run.set_total(Some(documents.len() as u64));
            return Ok(Parts::one());
        }
        // A query of one partition key value is not divided by ranges: each part would have all of it.
        Selection::Partition(_) => return Ok(Parts::one()),
        Selection::Window(window) if window.partition.is_some() => return Ok(Parts::one()),
        Selection::Filter { .. } | Selection::Window(_) | Selection::All => {}
    }
    let container = if phase == Phase::Live { history.monitored() } else { history.changes() };
    let container = container.open().await?;
    let items = container.count().await?;
    if request.selection == Selection::All {
        let others = match phase {
            Phase::Live => history.changes().open().await?.count().await?,
            _ => Some(run.done()),
        };
        run.set_total(items.zip(others).map(|(items, others)| items + others));
    }
    Parts::of(&container, items, worker.restores.jobs.options().part_items).await
}

/// The end of the restore. An undo that wrote everything is recorded on the restore that it undid.
async fn conclude(worker: &RestoreWorker<'_>, counts: &Counts) -> Result<Step, Error> {
    if worker.dry_run {
        return Ok(Step::Ended(JobState::Planned));
    }
    if let Some(planned) = worker.planned.filter(|planned| planned.total() != counts.total()) {
        let message = format!(
            "{} of {} planned documents were executed: pages of the plan have expired or were removed",
            counts.total(),
            planned.total()
        );
        return Err(Error::corrupt(format!("executing plan {}", worker.job_id), message));
    }
    let state = state_of(counts);
    if let Subject::Undo(undone) = &worker.subject
        && state == JobState::Done
        && counts.writes() > 0
    {
        worker.restores.mark_undone(&undone.id, &worker.job_id).await?;
    }
    Ok(Step::Ended(state))
}
