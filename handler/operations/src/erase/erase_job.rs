//! The job of an erasure: two rounds over the containers, with a pause between them.

use std::collections::HashSet;
use std::num::NonZeroU32;
use std::time::Duration;

use changefeed_cosmos::{Container, Error, retry};
use changefeed_history::DocumentSet;
use changefeed_jobs::{JobKind, JobState, Kind, Part, PartPage, Parts, Run, Step, read_parts};
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt, TryStreamExt};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tokio::time::Instant;

use super::documents::{count_document, erase_document};
use super::erase_counts::EraseCounts;
use super::erasures::{ERASE, Erasures};
use super::leftovers::{SELECT_PARTS, SELECT_RECORDS, sweep_part};
use super::letters::sweep_letter;
use super::records::RecordSweep;
use super::redaction::Redaction;

/// Records that are read at a time: each may have two megabytes.
const PAGE_RECORDS: NonZeroU32 = NonZeroU32::new(20).expect("not zero");
/// Parts that are examined at a time.
const PAGE_PARTS: NonZeroU32 = NonZeroU32::new(100).expect("not zero");
/// Documents that are removed at the same time.
const CONCURRENT_DOCUMENTS: usize = 4;

/// A step of a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Phase {
    /// The documents and their versions.
    Documents,
    /// The dead letters.
    Letters,
    /// The records and pages of jobs.
    Records,
    /// After the first round: nothing is removed until what was under way has ended.
    Settle,
    /// After the second round: parts of dead letters that were never completed.
    LetterParts,
    /// The same for the records of jobs.
    RecordParts,
}

/// The position of an erasure.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Cursor {
    phase: Phase,
    is_second: bool,
    /// The number of documents that are done in this round.
    documents: usize,
    parts: Parts,
}

impl Cursor {
    fn first() -> Self {
        Self { phase: Phase::Documents, is_second: false, documents: 0, parts: Parts::one() }
    }
}

struct Worker<'a> {
    erasures: &'a Erasures,
    run: &'a Run,
    documents: DocumentSet,
    job_id: String,
    keep_live: bool,
    dry_run: bool,
    /// The second at which the HMACs were recorded.
    registered: i64,
}

impl JobKind for Erasures {
    fn kind(&self) -> Kind {
        ERASE
    }

    fn work<'a>(&'a self, run: &'a Run) -> BoxFuture<'a, Result<Step, Error>> {
        async move { work(&self.metered(run.meter()), run).await }.boxed()
    }
}

/// Works on an erasure until it is done or the run is stopping.
async fn work(erasures: &Erasures, run: &Run) -> Result<Step, Error> {
    let mut counts: EraseCounts = run.counts()?;
    let Some(documents) = erasures.documents_of(&run.id()).await? else {
        // The names are removed last.
        return Ok(ended(run, &counts));
    };
    let request = run.property("request");
    let worker = Worker {
        erasures,
        run,
        documents: DocumentSet::new(documents),
        job_id: run.id(),
        keep_live: request["keepLive"] == true,
        dry_run: request["dryRun"] == true,
        registered: run.property("registeredSecond").as_i64().unwrap_or_default(),
    };
    let mut cursor = match run.cursor::<Cursor>()? {
        Some(cursor) => cursor,
        None => {
            let cursor = Cursor::first();
            run.begin(&cursor, &counts).await?;
            cursor
        }
    };
    while worker.step(&mut cursor, &mut counts).await? {
        match worker.after(&cursor).await? {
            Some(next) => cursor = next,
            None => {
                erasures.remove_documents(&worker.job_id).await?;
                return Ok(ended(run, &counts));
            }
        }
        run.begin(&cursor, &counts).await?;
    }
    Ok(Step::More)
}

fn ended(run: &Run, counts: &EraseCounts) -> Step {
    let state = match (run.property("request")["dryRun"] == true, counts.is_incomplete()) {
        (true, _) => JobState::Planned,
        (false, true) => JobState::Failed,
        (false, false) => JobState::Done,
    };
    Step::Ended(state)
}

impl Worker<'_> {
    /// Works on a phase. Whether it is done.
    async fn step(&self, cursor: &mut Cursor, counts: &mut EraseCounts) -> Result<bool, Error> {
        match cursor.phase {
            Phase::Documents => self.erase_documents(cursor, counts).await,
            Phase::Settle => self.settle().await,
            phase => {
                let container = self.container(phase).await?;
                let unfinished = self.unfinished(phase).await?;
                let redaction = Redaction::new(&self.documents);
                let position = cursor.clone();
                let advance = |parts: &Parts, page: EraseCounts| {
                    counts.add(self.counted(page, position.is_second));
                    self.run.advance(&Cursor { parts: parts.clone(), ..position.clone() }, &*counts, 0)
                };
                let parts = cursor.parts.clone();
                let page = |part: Part, _| {
                    let range = parts.range(&part);
                    let (container, unfinished, redaction) = (&container, &unfinished, &redaction);
                    async move {
                        self.run.pace().await;
                        if self.run.is_stopping() {
                            return Ok(None);
                        }
                        let (query, items) = match phase {
                            Phase::LetterParts | Phase::RecordParts => (SELECT_PARTS, PAGE_PARTS),
                            _ => (SELECT_RECORDS, PAGE_RECORDS),
                        };
                        let deadline = Instant::now() + self.erasures.timeout;
                        let (none, from) = (Map::new(), part.continuation.as_deref());
                        let page = retry(deadline, || container.query_range(query, &none, &range, items, from)).await?;
                        let mut result = EraseCounts::default();
                        for record in page.items {
                            result.add(self.sweep(phase, container, unfinished, redaction, record).await?);
                        }
                        let continuation = page.continuation;
                        Ok(Some(PartPage { continuation, is_numbered: false, was_begun: false, result }))
                    }
                };
                let parallel = self.erasures.jobs.options().parallel;
                cursor.parts = read_parts(self.run, cursor.parts.clone(), parallel, page, advance).await?;
                Ok(cursor.parts.is_done())
            }
        }
    }

    /// What of the counts of a page is counted: in the first round nothing is final that could not be done.
    fn counted(&self, page: EraseCounts, is_second: bool) -> EraseCounts {
        if is_second || self.dry_run { page } else { EraseCounts { not_deleted: 0, unreadable: 0, ..page } }
    }

    async fn sweep(
        &self,
        phase: Phase,
        container: &Container,
        unfinished: &HashSet<String>,
        redaction: &Redaction<'_>,
        record: Value,
    ) -> Result<EraseCounts, Error> {
        let deadline = Instant::now() + self.erasures.timeout;
        match phase {
            Phase::Letters => sweep_letter(&self.erasures.dead_letters, &self.documents, record, self.dry_run).await,
            Phase::LetterParts | Phase::RecordParts => {
                // From then on, what is written names no erased document.
                let refresh = self.erasures.history.erased().options().refresh;
                let last = self.registered.saturating_add(ceiled_seconds(refresh));
                sweep_part(container, &record, last, deadline).await
            }
            Phase::Documents | Phase::Records | Phase::Settle => {
                let sweep = RecordSweep {
                    erasures: self.erasures,
                    redaction,
                    job_id: &self.job_id,
                    unfinished,
                    dry_run: self.dry_run,
                };
                sweep.sweep(record).await
            }
        }
    }

    /// Removes the documents and their versions. Whether all are done.
    async fn erase_documents(&self, cursor: &mut Cursor, counts: &mut EraseCounts) -> Result<bool, Error> {
        let names = self.documents.documents();
        self.run.set_total(Some(names.len() as u64));
        while let Some(rest) = names.get(cursor.documents..).filter(|rest| !rest.is_empty()) {
            self.run.pace().await;
            if self.run.is_stopping() {
                return Ok(false);
            }
            let group = &rest[..rest.len().min(CONCURRENT_DOCUMENTS)];
            let done = futures::stream::iter(group.to_vec()).map(|document| async move {
                match self.dry_run {
                    true => count_document(self.erasures, &document, self.keep_live).await,
                    false => erase_document(self.erasures, &document, self.keep_live).await,
                }
            });
            let done: Vec<EraseCounts> = done.buffered(CONCURRENT_DOCUMENTS).try_collect().await?;
            for page in done {
                counts.add(self.counted(page, cursor.is_second));
            }
            cursor.documents += group.len();
            let processed = if cursor.is_second { 0 } else { group.len() as u64 };
            self.run.advance(cursor, counts, processed)?;
        }
        Ok(true)
    }

    /// Waits until nothing that was under way when the HMACs were recorded can write the documents. Whether it has waited long enough.
    async fn settle(&self) -> Result<bool, Error> {
        let settle = ceiled_seconds(self.erasures.history.erased().options().settle());
        let until = self.registered.saturating_add(settle);
        loop {
            let left = until - self.erasures.history.clock().second().await?;
            if left < 0 {
                return Ok(true);
            }
            if self.run.is_stopping() {
                return Ok(false);
            }
            self.run.rest(Duration::from_secs(left.unsigned_abs() + 1)).await;
        }
    }

    /// The position after a phase; `None` at the end.
    async fn after(&self, cursor: &Cursor) -> Result<Option<Cursor>, Error> {
        let (phase, is_second) = match (cursor.phase, cursor.is_second) {
            (Phase::Documents, is_second) => (Phase::Letters, is_second),
            (Phase::Letters, is_second) => (Phase::Records, is_second),
            (Phase::Records, _) if self.dry_run => return Ok(None),
            (Phase::Records, false) => (Phase::Settle, false),
            (Phase::Settle, _) => (Phase::Documents, true),
            (Phase::Records, true) => (Phase::LetterParts, true),
            (Phase::LetterParts, _) => (Phase::RecordParts, true),
            (Phase::RecordParts, _) => return Ok(None),
        };
        let parts = match phase {
            Phase::Documents | Phase::Settle => Parts::one(),
            _ => {
                let container = self.container(phase).await?;
                let items = container.count().await?;
                Parts::of(&container, items, self.erasures.jobs.options().part_items).await?
            }
        };
        Ok(Some(Cursor { phase, is_second, documents: 0, parts }))
    }

    async fn container(&self, phase: Phase) -> Result<Container, Error> {
        match phase {
            Phase::Letters | Phase::LetterParts => self.erasures.dead_letters.open().await,
            Phase::Documents | Phase::Records | Phase::Settle | Phase::RecordParts => self.erasures.jobs.open().await,
        }
    }

    /// The other erasures that are under way.
    async fn unfinished(&self, phase: Phase) -> Result<HashSet<String>, Error> {
        if phase != Phase::Records {
            return Ok(HashSet::new());
        }
        Ok(self.erasures.unfinished().await?.into_iter().map(|erasure| erasure.id).collect())
    }
}

fn ceiled_seconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis().div_ceil(1000)).unwrap_or(i64::MAX)
}
