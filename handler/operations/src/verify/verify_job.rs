//! The job of a verification: a slice reads pages, phase by phase.

use std::time::Duration;

use changefeed_cosmos::{Error, KeyRange, retry};
use changefeed_jobs::{
    ItemPlaces, ItemsPage, JobKind, JobState, Kind, PageState, Part, PartPage, Parts, Planned, Run, Step, StoredPage,
    plan_page, read_parts,
};
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt};
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::check::{Check, Suspicion};
use super::confirm::{Confirm, Confirmed};
use super::digest_job;
use super::finding::{Finding, FindingKind, PAGE_KIND, VerifyCounts};
use super::repair::Repair;
use super::verifications::{VERIFY, Verifications};
use super::verify_request::VerifyRequest;
use crate::scan::RecentStates;

/// How long transient failures of a page are retried within a slice.
const PAGE_PATIENCE: Duration = Duration::from_secs(20);
/// The approximate request units for a document or a version.
const ROW_UNITS: f64 = 10.0;
/// Large versions that are read concurrently: each may decompress to tens of megabytes.
const CONCURRENT_LARGE: usize = 2;

/// The name of the first phase in the ids of its pages.
const LETTERS: &str = "letters";

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Phase {
    /// The dead letters of changes whose id or key is not known.
    Letters,
    /// The suspicions of the first phase.
    Replay,
    /// The live documents.
    Live,
    /// The versions.
    Past,
    /// In place of the two phases before: the findings of another verification.
    Found,
    /// The suspicions of the phases of documents and versions.
    Confirm,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Cursor {
    phase: Phase,
    parts: Parts,
}

struct Worker<'a> {
    run: &'a Run,
    verifications: &'a Verifications,
    job_id: String,
    request: VerifyRequest,
    page_items: usize,
    parallel: usize,
    /// Parts of the phase that were not read to their end when the slice came to it.
    states: RecentStates,
    large: Semaphore,
}

/// The outcome of a page; `None` when the run is stopping.
type Advanced = Option<PartPage<(VerifyCounts, u64)>>;

impl JobKind for Verifications {
    fn kind(&self) -> Kind {
        VERIFY
    }

    fn work<'a>(&'a self, run: &'a Run) -> BoxFuture<'a, Result<Step, Error>> {
        async move { work(&self.metered(run.meter()), run).await }.boxed()
    }
}

/// Works on a verification until it is done or the run is stopping.
async fn work(verifications: &Verifications, run: &Run) -> Result<Step, Error> {
    let worker = Worker::new(verifications, run)?;
    if let Some(location) = &worker.request.digests {
        return digest_job::work(verifications, run, location).await;
    }
    let mut counts: VerifyCounts = run.counts()?;
    let mut cursor = match run.cursor::<Cursor>()? {
        Some(Cursor { phase, parts }) => {
            let joined = Cursor { phase, parts: parts.clone().read() };
            if run.join_portions(&joined)? {
                counts = run.counts()?;
                joined
            } else {
                Cursor { phase, parts }
            }
        }
        None => match worker.begin(worker.first_phase().await?, &counts).await? {
            Some(first) => first,
            None => return Ok(Step::Waiting),
        },
    };
    loop {
        let phase = cursor.phase;
        let advance = |parts: &Parts, (page, processed): (VerifyCounts, u64)| {
            counts.add(page);
            run.advance(&Cursor { phase, parts: parts.clone() }, &counts, processed)
        };
        let parts = cursor.parts.clone();
        let page = |part: Part, may_be_begun| {
            let page = worker.page(phase, &parts, part, may_be_begun);
            async {
                let _place = run.place().await;
                page.await
            }
        };
        cursor.parts = read_parts(run, cursor.parts.clone(), worker.parallel, page, advance).await?;
        if !cursor.parts.is_done() {
            return Ok(Step::More);
        }
        if run.is_portion() {
            return Ok(Step::Ended(JobState::Done));
        }
        let next = match phase {
            Phase::Letters => Phase::Replay,
            Phase::Replay if worker.request.findings_of.is_some() => Phase::Found,
            Phase::Replay => Phase::Live,
            Phase::Live => Phase::Past,
            Phase::Past | Phase::Found => Phase::Confirm,
            Phase::Confirm => break,
        };
        // From here on the pages are confirmed: no worker may add suspicions to them any more.
        let Some(begun) = worker.begin(next, &counts).await? else { return Ok(Step::Waiting) };
        cursor = begun;
    }
    Ok(Step::Ended(if counts.found() > counts.repaired { JobState::Findings } else { JobState::Done }))
}

impl<'a> Worker<'a> {
    fn new(verifications: &'a Verifications, run: &'a Run) -> Result<Self, Error> {
        let request: VerifyRequest = serde_json::from_value(run.property("request"))
            .map_err(|error| Error::corrupt(format!("reading the request of verification {}", run.id()), error))?;
        let (page_items, parallel) = verifications.jobs.options().within(run.ru_per_second(), ROW_UNITS);
        let large = Semaphore::new(CONCURRENT_LARGE);
        Ok(Self {
            run,
            verifications,
            job_id: run.id(),
            request,
            page_items,
            parallel,
            states: RecentStates::default(),
            large,
        })
    }

    /// Dead letters are read only where there are some, and where all documents are verified: their keys are not known.
    async fn first_phase(&self) -> Result<Phase, Error> {
        if self.request.findings_of.is_some() {
            return Ok(Phase::Letters);
        }
        let is_needed =
            self.request.partition_key.is_none() && self.verifications.dead_letters.has_unknown_identity().await?;
        Ok(if is_needed { Phase::Letters } else { Phase::Live })
    }

    /// Begins a phase; `None` if it was divided among portions. Sets the total of the job, where it is known.
    async fn begin(&self, phase: Phase, counts: &VerifyCounts) -> Result<Option<Cursor>, Error> {
        let parts = self.parts_of(phase).await?;
        self.run.begin_parts(parts, |parts| Cursor { phase, parts }, counts).await
    }

    /// The parts of a phase.
    async fn parts_of(&self, phase: Phase) -> Result<Parts, Error> {
        let Verifications { history, jobs, dead_letters, .. } = self.verifications;
        if self.request.partition_key.is_some() && phase != Phase::Confirm {
            return Ok(Parts::one());
        }
        let container = match phase {
            Phase::Letters if self.request.findings_of.is_none() => dead_letters.open().await?,
            Phase::Live => history.monitored().open().await?,
            Phase::Past => history.changes().open().await?,
            Phase::Letters | Phase::Replay | Phase::Found | Phase::Confirm => jobs.open().await?,
        };
        let items = container.count().await?;
        let others = match phase {
            Phase::Live => history.changes().open().await?.count().await?,
            Phase::Past => Some(self.run.done()),
            Phase::Letters | Phase::Replay | Phase::Found | Phase::Confirm => None,
        };
        if self.request.partition_key.is_none() && matches!(phase, Phase::Live | Phase::Past) {
            self.run.set_total(items.zip(others).map(|(items, others)| items + others));
        }
        Parts::of(&container, items, jobs.options().part_items).await
    }

    async fn page(&self, phase: Phase, parts: &Parts, part: Part, may_be_begun: bool) -> Result<Advanced, Error> {
        match phase {
            Phase::Letters => self.suspect(phase, LETTERS, parts, part, may_be_begun).await,
            Phase::Live => self.suspect(phase, "live", parts, part, may_be_begun).await,
            Phase::Past => self.suspect(phase, "past", parts, part, may_be_begun).await,
            Phase::Found => self.suspect(phase, "found", parts, part, may_be_begun).await,
            Phase::Replay | Phase::Confirm => self.confirm(phase, parts, part).await,
        }
    }

    /// Checks a page, and stores its suspicions.
    async fn suspect(
        &self,
        phase: Phase,
        phase_name: &str,
        parts: &Parts,
        part: Part,
        may_be_begun: bool,
    ) -> Result<Advanced, Error> {
        let id = format!("{}-{PAGE_KIND}-{phase_name}-{:03}-{:05}", self.job_id, part.number, part.page);
        let deadline = Instant::now() + self.page_patience();
        let (range, continuation) = (parts.range(&part), part.continuation.as_deref());
        let erased = Box::pin(self.verifications.history.erased().current(deadline)).await?;
        let rules = self.verifications.history.rules().await?;
        let check = Check {
            erased: &erased,
            rules: &rules,
            history: &self.verifications.history,
            dead_letters: &self.verifications.dead_letters,
            key: self.request.partition_key.as_ref(),
            grace: self.request.grace(),
            page_items: self.page_items,
            places: self.places(),
            states: &self.states,
            large: &self.large,
        };
        let plan = || async {
            if let Some(other) = &self.request.findings_of {
                let (findings, next) = self.found_by(other, phase, &range, continuation).await?;
                let page = ItemsPage::planned(id.clone(), PAGE_KIND, self.job_id.clone(), findings);
                return Ok(ItemsPage { next, ..page });
            }
            let found = match phase {
                Phase::Letters => check.letters(&range, continuation).await?,
                Phase::Live => check.live(&range, continuation).await?,
                _ => check.past(&range, continuation).await?,
            };
            let (mut findings, mut pending) = (Vec::new(), 0);
            for suspicion in found.items {
                match suspicion {
                    Suspicion::Suspected(suspected) => findings.extend(suspected),
                    Suspicion::Pending => pending += 1,
                }
            }
            let page = ItemsPage::planned(id.clone(), PAGE_KIND, self.job_id.clone(), findings);
            Ok(ItemsPage { next: found.next, processed: found.processed, pending, ..page })
        };
        let (page, is_numbered, was_begun) = match plan_page(self.run, &id, may_be_begun, deadline, plan).await? {
            Planned::Stored(stored, was_begun) => (stored.page, true, was_begun),
            Planned::Empty(page) => (page, false, false),
            Planned::Stopping => return Ok(None),
        };
        let (documents, versions) = match phase {
            Phase::Live => (page.processed, 0),
            Phase::Past => (0, page.processed),
            Phase::Letters | Phase::Replay | Phase::Found | Phase::Confirm => (0, 0),
        };
        let counts = VerifyCounts { documents, versions, pending: page.pending, ..VerifyCounts::default() };
        Ok(Some(page.moved(is_numbered, was_begun, (counts, documents + versions))))
    }

    /// The findings of another verification in a range of the jobs container that it did not repair: for the first phase those that
    /// are dead letters, else the others.
    async fn found_by(
        &self,
        other: &str,
        phase: Phase,
        range: &KeyRange,
        continuation: Option<&str>,
    ) -> Result<(Vec<Finding>, Option<String>), Error> {
        let (pages, next) = self.verifications.jobs.pages_of::<Finding>(PAGE_KIND, other, range, continuation).await?;
        let is_of_phase = |found: &Finding| (found.kind == FindingKind::UnknownIdentity) == (phase == Phase::Letters);
        let found = pages.into_iter().filter(|stored| stored.page.state == PageState::Done);
        let found = found.flat_map(|stored| stored.page.items).filter(|found| !found.repaired && is_of_phase(found));
        Ok((found.collect(), next))
    }

    /// Confirms the next page of suspicions of a range of the jobs container.
    async fn confirm(&self, phase: Phase, parts: &Parts, part: Part) -> Result<Advanced, Error> {
        let deadline = Instant::now() + self.page_patience();
        let (range, continuation): (KeyRange, _) = (parts.range(&part), part.continuation.as_deref());
        if self.run.is_stopping() {
            return Ok(None);
        }
        let (pages, next) = retry(deadline, || {
            self.verifications.jobs.pages_of::<Finding>(PAGE_KIND, &self.job_id, &range, continuation)
        })
        .await?;
        let mut counts = VerifyCounts::default();
        // The pages of dead letters were confirmed and counted by the phase before the others.
        let letters = format!("{}-{PAGE_KIND}-{LETTERS}-", self.job_id);
        let pages = pages.into_iter().filter(|stored| phase == Phase::Replay || !stored.page.id.starts_with(&letters));
        for stored in pages {
            let page = match stored.page.state {
                PageState::Done => stored.page,
                PageState::Planned => match self.confirm_page(stored).await? {
                    Some(page) => page,
                    None => return Ok(None),
                },
            };
            counts.add(VerifyCounts::of(&page.items, page.pending));
        }
        Ok(Some(PartPage { continuation: next, is_numbered: true, was_begun: true, result: (counts, 0) }))
    }

    /// Confirms the suspicions of a page; `None` when the run is stopping.
    async fn confirm_page(&self, stored: StoredPage<Finding>) -> Result<Option<ItemsPage<Finding>>, Error> {
        // The other verification has waited for the grace time.
        let is_as_found = self.request.findings_of.is_some();
        if !is_as_found && stored.page.items.iter().any(|suspected| suspected.kind == FindingKind::Gone) {
            let grace = self.request.grace();
            let now = self.verifications.history.clock().second().await?;
            let wait = (stored.second + grace - now).clamp(0, grace);
            self.run.rest(Duration::from_secs(wait.unsigned_abs())).await;
        }
        self.run.pace().await;
        if self.run.is_stopping() {
            return Ok(None);
        }
        let deadline = Instant::now() + self.page_patience();
        let erased = Box::pin(self.verifications.history.erased().current(deadline)).await?;
        let rules = self.verifications.history.rules().await?;
        let confirm = Confirm {
            erased: &erased,
            rules: &rules,
            history: &self.verifications.history,
            dead_letters: &self.verifications.dead_letters,
            repair: Repair {
                history: &self.verifications.history,
                job_id: &self.job_id,
                suspected_at: stored.second,
                deadline,
            },
            is_repairing: self.request.repair,
            is_as_found,
            grace: self.request.grace(),
            large: &self.large,
        };
        let places = self.places();
        let results: Vec<Result<Confirmed, Error>> = futures::stream::iter(stored.page.items.clone())
            .map(|suspected| {
                let confirm = &confirm;
                places.take(async move { retry(deadline, || confirm.confirm(suspected.clone())).await })
            })
            .buffered(places.count())
            .collect()
            .await;
        // All writes have ended. After a transient failure, the page is confirmed again.
        let (mut items, mut pending) = (Vec::new(), 0);
        for confirmed in results {
            match confirmed? {
                Confirmed::Finding(finding) => items.push(*finding),
                Confirmed::Pending => pending += 1,
                Confirmed::Nothing => {}
            }
        }
        let page = ItemsPage { state: PageState::Done, items, pending, ..stored.page };
        let stored = StoredPage { page, etag: stored.etag, second: stored.second };
        self.verifications.jobs.finish_items_page(stored, deadline).await.map(Some)
    }

    /// How long transient failures of a page are retried: no longer than an erasure waits for them.
    fn page_patience(&self) -> Duration {
        PAGE_PATIENCE.min(self.verifications.history.erased().options().longest_write)
    }

    /// The places for what is checked or confirmed concurrently.
    fn places(&self) -> ItemPlaces {
        self.run.items(self.verifications.concurrency)
    }
}
