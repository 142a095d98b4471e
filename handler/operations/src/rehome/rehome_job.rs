//! The job of a move: phase by phase.

use std::time::Duration;

use changefeed_cosmos::{Error, retry};
use changefeed_history::Role;
use changefeed_jobs::{JobKind, JobState, Kind, Part, PartPage, Parts, Run, Step, read_parts};
use futures::FutureExt;
use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::page::{Mode, Pages};
use super::rehome_record::RehomeCounts;
use super::rehome_request::RehomeRequest;
use super::rehomes::{REHOME, Rehomes};
use super::source::Source;

/// How long transient failures are retried within a slice.
const PATIENCE: Duration = Duration::from_secs(20);

/// A step of a move.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Phase {
    /// The versions, or the copies of changes.
    Versions,
    /// The dead letters.
    Letters,
    /// The versions, to compare them with those that are stored here.
    Compare,
}

/// The position of a move.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Cursor {
    phase: Phase,
    parts: Parts,
}

struct Worker<'a> {
    rehomes: &'a Rehomes,
    run: &'a Run,
    request: RehomeRequest,
    source: Source,
}

impl JobKind for Rehomes {
    fn kind(&self) -> Kind {
        REHOME
    }

    fn work<'a>(&'a self, run: &'a Run) -> BoxFuture<'a, Result<Step, Error>> {
        async move { work(&self.metered(run.meter()), run).await }.boxed()
    }
}

/// Works on a move until it is done or the run is stopping.
async fn work(rehomes: &Rehomes, run: &Run) -> Result<Step, Error> {
    let request: RehomeRequest = serde_json::from_value(run.property("request"))
        .map_err(|error| Error::corrupt(format!("reading the request of move {}", run.id()), error))?;
    let source = Source::new(rehomes, &request)?.metered(run.meter());
    let worker = Worker { rehomes, run, request, source };
    let mut counts: RehomeCounts = run.counts()?;
    let mut cursor = match run.cursor::<Cursor>()? {
        Some(cursor) => cursor,
        None => {
            worker.carry_over().await?;
            let first = worker.begin(Phase::Versions).await?;
            run.begin(&first, &counts).await?;
            first
        }
    };
    loop {
        worker.read(&mut cursor, &mut counts).await?;
        if !cursor.parts.is_done() {
            return Ok(Step::More);
        }
        if cursor.phase == Phase::Versions {
            counts.account();
        }
        let Some(next) = worker.after(cursor.phase) else { break };
        // Also what was erased there meanwhile.
        worker.carry_over().await?;
        cursor = worker.begin(next).await?;
        run.begin(&cursor, &counts).await?;
    }
    run.advance(&cursor, &counts, 0)?;
    Ok(Step::Ended(match (worker.request.dry_run, counts.has_problems()) {
        (true, _) => JobState::Planned,
        (false, true) => JobState::Findings,
        (false, false) => JobState::Done,
    }))
}

impl Worker<'_> {
    async fn carry_over(&self) -> Result<(), Error> {
        if self.request.dry_run {
            return Ok(());
        }
        let deadline = Instant::now() + PATIENCE;
        self.source.carry_over(&self.rehomes.history, self.request.without_erased, deadline).await
    }

    fn after(&self, phase: Phase) -> Option<Phase> {
        match phase {
            Phase::Versions if self.source.has_dead_letters() => Some(Phase::Letters),
            Phase::Versions | Phase::Letters if !self.request.dry_run => Some(Phase::Compare),
            Phase::Versions | Phase::Letters | Phase::Compare => None,
        }
    }

    async fn begin(&self, phase: Phase) -> Result<Cursor, Error> {
        let role = match phase {
            Phase::Versions | Phase::Compare => Role::Changes,
            Phase::Letters => Role::DeadLetters,
        };
        let container = self.source.containers.of(role).metered(self.run.meter()).open().await?;
        let items = container.count().await?;
        Ok(Cursor { phase, parts: Parts::of(&container, items, self.rehomes.jobs.options().part_items).await? })
    }

    /// Reads the parts of a phase until they are done or the run is stopping.
    async fn read(&self, cursor: &mut Cursor, counts: &mut RehomeCounts) -> Result<(), Error> {
        let mode = match cursor.phase {
            Phase::Compare => Mode::Compare,
            Phase::Versions | Phase::Letters if self.request.dry_run => Mode::Count,
            Phase::Versions | Phase::Letters => Mode::Store,
        };
        let pages = Pages::new(self.rehomes, &self.source, self.run, mode, self.request.new_key).await?;
        let (phase, parts) = (cursor.phase, cursor.parts.clone());
        let advance = |parts: &Parts, page: RehomeCounts| {
            let processed = page.versions + page.already_stored + page.compared + page.dead_letters;
            counts.add(page);
            self.run.advance(&Cursor { phase, parts: parts.clone() }, &*counts, processed)
        };
        let page = |part: Part, _| {
            let (pages, parts) = (&pages, &parts);
            async move {
                match phase {
                    Phase::Letters => self.letters(parts, part, mode).await,
                    Phase::Versions | Phase::Compare => pages.page(parts, part).await,
                }
            }
        };
        cursor.parts = read_parts(self.run, parts.clone(), pages.parallel, page, advance).await?;
        Ok(())
    }

    /// Copies a page of the dead letters.
    async fn letters(&self, parts: &Parts, part: Part, mode: Mode) -> Result<Option<PartPage<RehomeCounts>>, Error> {
        self.run.pace().await;
        if self.run.is_stopping() {
            return Ok(None);
        }
        let deadline = Instant::now() + PATIENCE.min(self.rehomes.history.erased().options().longest_write);
        let from = self.source.containers.of(Role::DeadLetters).metered(self.run.meter());
        let (range, continuation) = (parts.range(&part), part.continuation.as_deref());
        let store = mode == Mode::Store;
        let copied =
            retry(deadline, || self.rehomes.dead_letters.copy_page(&from, &range, continuation, store, deadline))
                .await?;
        let mut counts = RehomeCounts {
            dead_letters: copied.copied,
            erased: copied.erased,
            unreadable: copied.damaged.len() as u64,
            ..RehomeCounts::default()
        };
        copied.damaged.into_iter().for_each(|damage| counts.name(damage));
        Ok(Some(PartPage { continuation: copied.next, is_numbered: false, was_begun: false, result: counts }))
    }
}
