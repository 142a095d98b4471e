//! The job of a backup: a slice reads pages, writes their lines, and stores its position with the writer.

use changefeed_backup_format::{
    BackupHeader, BackupLocation, BackupWriter, Content, Damage, Line, Manifest, ReadError, Resumed, SegmentKind,
    SegmentRecord, read_manifest, read_unfinished,
};
use changefeed_cosmos::{Error, ErrorKind, retry};
use changefeed_jobs::{JobKind, JobOptions, JobState, Kind, Part, PartPage, Parts, PartsReader, Run, Step};
use chrono::{DateTime, Utc};
use futures::FutureExt;
use futures::future::{BoxFuture, join_all};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::backup_record::BackupCounts;
use super::backup_request::{BackupRequest, discard_half_written};
use super::backups::{BACKUP, Backups};
use super::collect::{Collected, Collector, Phase};
use super::feed_cursor::{FeedCursor, FeedStep};
use super::feed_reader::current_position;
use super::format_conversions::{damage_error, format_error, parse_filters};
use super::limits::PAGE_PATIENCE;
use super::page_sizer::PageSizer;
use crate::scan::RecentStates;

/// The approximate request units for reading a live document.
const LIVE_UNITS: f64 = 2.0;
/// The approximate request units for reading a document in the change feed.
const FEED_UNITS: f64 = 1.0;
/// The approximate request units for finding the state of a document as of a time.
const PAST_UNITS: f64 = 10.0;
/// A page as of a time has a quarter of the documents of another page: they are read one by one, and held whole.
const PAST_PAGE_DIVISOR: usize = 4;

/// The position of a backup, as the writer stores it in `progress.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Cursor {
    phase: Phase,
    parts: Parts,
    /// The second since 1970 from which on the history was complete when the backup began.
    horizon: i64,
    /// Documents and versions that were processed.
    done: u64,
    counts: BackupCounts,
    /// The position in the change feed; none where it is not read, or cannot be.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    feed: Option<FeedCursor>,
}

impl Cursor {
    /// Whether everything of the phase was read.
    fn is_phase_done(&self) -> bool {
        match self.phase {
            Phase::Feed => self.feed.as_ref().is_none_or(FeedCursor::is_done),
            Phase::Live | Phase::Past | Phase::Removals => self.parts.is_done(),
        }
    }
}

/// The backup in the location of a job.
enum Opened {
    Writer(Box<BackupWriter>),
    Finished(Box<Manifest>),
}

impl JobKind for Backups {
    fn kind(&self) -> Kind {
        BACKUP
    }

    fn work<'a>(&'a self, run: &'a Run) -> BoxFuture<'a, Result<Step, Error>> {
        async move { work(&self.metered(run.meter()), run).await }.boxed()
    }
}

/// Works on a backup until it is done or the run is stopping.
async fn work(backups: &Backups, run: &Run) -> Result<Step, Error> {
    let request: BackupRequest = serde_json::from_value(run.property("request"))
        .map_err(|error| Error::corrupt(format!("reading the request of backup {}", run.id()), error))?;
    let mut writer = match open(backups, run, &request).await? {
        Opened::Writer(writer) => writer,
        Opened::Finished(manifest) => {
            let counts = finished(&manifest, run.counts()?);
            run.advance(&Value::Null, &counts, 0)?;
            return Ok(Step::Ended(JobState::Done));
        }
    };
    let header = writer.header().clone();
    let filters = parse_filters(&header.filter)?;
    let (states, options) = (RecentStates::default(), backups.jobs.options().clone());
    let is_live = matches!(header.content, Content::Live {});
    let max_items = if is_live { options.page_items } else { options.page_items.div_ceil(PAST_PAGE_DIVISOR) };
    let units = match &header.incremental_from {
        None if is_live => LIVE_UNITS,
        Some(earlier) if earlier.feed.is_some() => FEED_UNITS,
        _ => PAST_UNITS,
    };
    let options = JobOptions { page_items: max_items, ..options };
    let (page_items, parallel) = options.within(run.ru_per_second(), units);
    let (sizer, rules) = (PageSizer::default(), backups.history.rules().await?);
    let mut collector = Collector {
        backups,
        header: &header,
        filters: &filters,
        rules: &rules,
        horizon: i64::MIN,
        recorded_until: run.begun_second(),
        page_items,
        places: run.items(backups.concurrency),
        states: &states,
        sizer: &sizer,
    };
    let mut cursor = match serde_json::from_value::<Option<Cursor>>(writer.cursor().clone()) {
        Ok(Some(cursor)) => cursor,
        Ok(None) => begin(backups, run, &mut collector).await?,
        Err(error) => return Err(Error::corrupt(format!("reading the position of backup {}", run.id()), error)),
    };
    // The job's counts may be ahead of what was written.
    cursor.counts.bytes = bytes(writer.segments());
    run.set_done(cursor.done);
    run.advance(&job_cursor(&writer), &cursor.counts, 0)?;
    collector.horizon = cursor.horizon;
    loop {
        if cursor.phase == Phase::Feed {
            read_feed(run, &collector, &mut writer, &mut cursor, parallel).await?;
        } else {
            read_phase(run, &collector, &mut writer, &mut cursor, parallel).await?;
        }
        if !cursor.is_phase_done() {
            writer.suspend(json!(cursor)).await.map_err(format_error)?;
            cursor.counts.bytes = bytes(writer.segments());
            run.advance(&job_cursor(&writer), &cursor.counts, 0)?;
            return Ok(Step::More);
        }
        let Some(phase) = collector.phase_after(cursor.phase) else { break };
        let parts = match phase {
            Phase::Feed => Parts::default(),
            phase => parts(backups, run, &collector, phase, cursor.done).await?,
        };
        cursor = Cursor { phase, parts, ..cursor };
    }
    writer.set_feed(cursor.feed.as_ref().map(FeedCursor::position));
    let manifest = writer.finish(json!(cursor), Utc::now()).await.map_err(format_error)?;
    run.advance(&Value::Null, &finished(&manifest, cursor.counts), 0)?;
    Ok(Step::Ended(JobState::Done))
}

/// The cursor at the start of a backup.
async fn begin(backups: &Backups, run: &Run, collector: &mut Collector<'_>) -> Result<Cursor, Error> {
    let counts = BackupCounts::default();
    if let Some(feed) = collector.feed() {
        let feed = Some(FeedCursor::start(feed));
        let parts = parts(backups, run, collector, Phase::Removals, 0).await?;
        return Ok(Cursor { phase: Phase::Removals, parts, horizon: i64::MIN, done: 0, counts, feed });
    }
    let horizon = backups.history.horizon().await?;
    if collector.has_past() {
        run.settle().await?;
        collector.recorded_until = run.begun_second();
    }
    // Before the first document is read: what changes from now on is in the next increment, whether this backup has it or not.
    let feed = match collector.header.content {
        Content::Live {} => current_position(&backups.history.monitored().open().await?).await?,
        Content::AsOf { .. } => None,
    };
    let parts = parts(backups, run, collector, Phase::Live, 0).await?;
    Ok(Cursor { phase: Phase::Live, parts, horizon, done: 0, counts, feed: feed.map(FeedCursor::unread) })
}

/// Reads the change feed and writes its lines, until all ranges are read or the run is stopping.
async fn read_feed(
    run: &Run,
    collector: &Collector<'_>,
    writer: &mut BackupWriter,
    cursor: &mut Cursor,
    parallel: usize,
) -> Result<(), Error> {
    let Some(mut feed) = cursor.feed.clone() else { return Ok(()) };
    let monitored = collector.backups.history.monitored().open().await?;
    if monitored.definition().resource_id != feed.resource_id() {
        let message =
            "the container was deleted and created again since this backup began; discard it and start a new one";
        return Err(Error::new(
            ErrorKind::Conflict,
            format!("reading the change feed of {}", monitored.name()),
            message,
        ));
    }
    while !feed.is_done() {
        run.pace().await;
        if run.is_stopping() {
            break;
        }
        let ranges = feed.to_read(parallel);
        let pages = join_all(ranges.iter().map(|range| collector.feed_page(&monitored, range))).await;
        let mut failure = None;
        let mut processed = 0;
        for (range, page) in ranges.iter().zip(pages) {
            let page = match page {
                Ok(page) => page,
                Err(error) => {
                    failure = Some(error);
                    continue;
                }
            };
            write_lines(writer, cursor, page.lines).await?;
            processed += page.processed;
            let replacement = match page.step {
                FeedStep::Read(range) => vec![range],
                FeedStep::Split(parts) => parts,
            };
            feed.replace(range, replacement);
        }
        cursor.done += processed;
        cursor.feed = Some(feed.clone());
        if let Some(error) = failure {
            // The next slice does not read these pages again.
            writer.suspend(json!(cursor)).await.map_err(format_error)?;
            return Err(error);
        }
        writer.mark(json!(cursor)).await.map_err(format_error)?;
        cursor.counts.bytes = bytes(writer.segments());
        run.advance(&job_cursor(writer), &cursor.counts, processed)?;
    }
    Ok(())
}

/// Reads the parts of the cursor's phase and writes their lines, until all are read or the run is stopping.
async fn read_phase(
    run: &Run,
    collector: &Collector<'_>,
    writer: &mut BackupWriter,
    cursor: &mut Cursor,
    parallel: usize,
) -> Result<(), Error> {
    let (phase, parts) = (cursor.phase, cursor.parts.clone());
    let page = |part: Part, _| page(run, collector, phase, &parts, part);
    let mut reader = PartsReader::new(run, parts.clone(), parallel, page);
    loop {
        let collected = match reader.next().await {
            Ok(Some(collected)) => collected,
            Ok(None) => return Ok(()),
            Err(error) => {
                // The next slice does not read these pages again.
                writer.suspend(json!(cursor)).await.map_err(format_error)?;
                return Err(error);
            }
        };
        write_lines(writer, cursor, collected.lines).await?;
        cursor.counts.unknown += collected.counts.unknown;
        cursor.counts.inexact += collected.counts.inexact;
        cursor.done += collected.processed;
        cursor.parts = reader.parts.clone();
        writer.mark(json!(cursor)).await.map_err(format_error)?;
        cursor.counts.bytes = bytes(writer.segments());
        run.advance(&job_cursor(writer), &cursor.counts, collected.processed)?;
    }
}

/// Opens the backup in the location of the job, or creates it.
async fn open(backups: &Backups, run: &Run, request: &BackupRequest) -> Result<Opened, Error> {
    let (location, id) = (backups.locations.open(&request.to).map_err(format_error)?, run.id());
    let other = |other: &str| {
        let message = format!("the location contains another backup, {other}; use another location");
        Error::new(ErrorKind::Conflict, format!("writing backup {id} to {location}"), message)
    };
    match read_manifest(&location).await {
        Ok((manifest, _)) if manifest.backup.id != id => Err(other(&manifest.backup.id)),
        Ok(_) => resume(location).await,
        Err(ReadError::Damage(Damage::Unfinished { .. })) => {
            match read_unfinished(&location).await.map_err(format_error)? {
                Some(header) if header.id != id => Err(other(&header.id)),
                _ => resume(location).await,
            }
        }
        Err(ReadError::Damage(Damage::NoManifest)) => {
            discard_half_written(&location).await?;
            // By the service's clock: the removals of the next increment are found by it.
            let second = run.saved_second().await?;
            let started_at = DateTime::from_timestamp(second, 0).unwrap_or_else(Utc::now).into();
            let header = BackupHeader { started_at, ..backups.backup_header(request, &id).await? };
            if header.incremental_from.as_ref().is_some_and(|earlier| earlier.feed.is_none()) {
                log::warn!(
                    "backup {id} compares all documents with the history: it is as of a time, or the earlier backup has no position in \
                     the change feed of this container"
                );
            }
            let writer = BackupWriter::create(location, header).await.map_err(format_error)?;
            Ok(Opened::Writer(Box::new(writer)))
        }
        Err(ReadError::Damage(damage)) => Err(damage_error(&location, "reading the backup", &damage)),
        Err(ReadError::Location(error)) => Err(format_error(error)),
    }
}

async fn resume(location: BackupLocation) -> Result<Opened, Error> {
    Ok(match BackupWriter::resume(location).await.map_err(format_error)? {
        Resumed::Unfinished(writer) => Opened::Writer(writer),
        Resumed::Finished(manifest) => Opened::Finished(manifest),
    })
}

/// The parts of a phase. Sets the total of the job, where it is known.
async fn parts(
    backups: &Backups,
    run: &Run,
    collector: &Collector<'_>,
    phase: Phase,
    done: u64,
) -> Result<Parts, Error> {
    let part_items = backups.jobs.options().part_items;
    let container =
        if phase == Phase::Live { backups.history.monitored() } else { backups.history.changes() }.open().await?;
    if phase == Phase::Removals {
        // Few of the versions are removals of the time since the earlier backup: a part for each physical partition is enough.
        return Parts::of(&container, None, part_items).await;
    }
    let items = container.count().await?;
    let others = match phase {
        Phase::Live if collector.has_past() => backups.history.changes().open().await?.count().await?,
        _ => Some(done),
    };
    // How many documents meet a filter, or have changed, is not known.
    if collector.header.filter.is_empty() && (phase == Phase::Past || collector.header.incremental_from.is_none()) {
        run.set_total(items.zip(others).map(|(items, others)| items + others));
    }
    Parts::of(&container, items, part_items).await
}

async fn page(
    run: &Run,
    collector: &Collector<'_>,
    phase: Phase,
    parts: &Parts,
    part: Part,
) -> Result<Option<PartPage<Collected>>, Error> {
    if !run.is_stopping() {
        run.pace().await;
    }
    if run.is_stopping() {
        return Ok(None);
    }
    let deadline = Instant::now() + PAGE_PATIENCE;
    let range = parts.range(&part);
    let mut collected = retry(deadline, || collector.page(phase, &range, &part)).await?;
    let continuation = collected.next.take();
    Ok(Some(PartPage { continuation, is_numbered: false, was_begun: false, result: collected }))
}

async fn write_lines(writer: &mut BackupWriter, cursor: &mut Cursor, lines: Vec<Line>) -> Result<(), Error> {
    for line in lines {
        match line {
            Line::Document(document) => {
                writer.push(&document).await.map_err(format_error)?;
                cursor.counts.documents += 1;
            }
            Line::Deletion(deletion) => {
                writer.push_deletion(&deletion).await.map_err(format_error)?;
                cursor.counts.deletions += 1;
            }
        }
    }
    Ok(())
}

/// The cursor in the job's record, for display: the writer has the position.
fn job_cursor(writer: &BackupWriter) -> Value {
    json!({"segments": writer.segments().len()})
}

fn bytes(segments: &[SegmentRecord]) -> u64 {
    segments.iter().map(|segment| segment.compressed_bytes).sum()
}

/// The counts of a finished backup.
fn finished(manifest: &Manifest, counts: BackupCounts) -> BackupCounts {
    let total = |kind: SegmentKind| {
        manifest.segments.iter().filter(|segment| segment.kind == kind).map(|segment| segment.count).sum()
    };
    BackupCounts {
        documents: total(SegmentKind::Documents),
        deletions: total(SegmentKind::Deletions),
        bytes: manifest.compressed_bytes(),
        ..counts
    }
}
