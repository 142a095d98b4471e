//! A slice of a backup: reads, writes, and leaves where to go on in the writer's hands.

use std::time::{Duration, Instant};

use changefeed_backup_format::{
    BackupLocation, BackupWriter, Content, Damage, Line, Manifest, ReadError, Resumed, SegmentKind, SegmentRecord,
    read_manifest, read_unfinished,
};
use chrono::Utc;
use serde_json::{Value, json};

use super::backups::Backups;
use super::collect::{Collected, Collector};
use super::cursor::{Cursor, Phase};
use super::fit::Fit;
use super::record::BackupCounts;
use super::request::BackupRequest;
use crate::backup::convert::{format_error, parse_filters};
use crate::scan::Seen;
use changefeed_cosmos::retry;
use changefeed_cosmos::{Error, ErrorKind};
use changefeed_jobs::{JobState, Part, PartPage, Parts, PartsReader, Run, Step};

/// How long a page's requests are tried again within a slice.
const PAGE_PATIENCE: Duration = Duration::from_secs(20);
/// What a document costs, about: to read it; to find out what it was at a moment.
const LIVE_UNITS: f64 = 2.0;
const PAST_UNITS: f64 = 10.0;
/// Whole documents are held for a page: of those that are met one by one, fewer.
const WHOLE_SHARE: usize = 4;

/// What was found in the job's place.
enum Opened {
    Writer(Box<BackupWriter>),
    Finished(Box<Manifest>),
}

/// Works on a backup until it is done or the run is stopping.
pub(super) async fn work(backups: &Backups, run: &Run) -> Result<Step, Error> {
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
    let (seen, options, budget) = (Seen::default(), backups.jobs.options(), run.ru_per_second());
    let is_live = matches!(header.content, Content::Live {});
    let most = if is_live { options.page_items } else { options.page_items.div_ceil(WHOLE_SHARE) };
    let units = if is_live && header.incremental_from.is_none() { LIVE_UNITS } else { PAST_UNITS };
    let page_items = budget.map_or(most, |budget| most.min(((budget / units) as usize).max(1)));
    let parallel = budget.map_or(options.parallel, |budget| options.parallel.min((budget / 1000.0).ceil() as usize));
    let fit = Fit::default();
    let mut collector = Collector {
        backups,
        header: &header,
        filters: &filters,
        horizon: i64::MIN,
        recorded_until: run.begun_second(),
        page_items: page_items.max(1),
        concurrency: (backups.concurrency / parallel.max(1)).max(1),
        seen: &seen,
        fit: &fit,
    };
    let mut cursor = match serde_json::from_value::<Option<Cursor>>(writer.cursor().clone()) {
        Ok(Some(cursor)) => cursor,
        Ok(None) => {
            let horizon = backups.history.horizon().await?;
            if collector.has_past() {
                run.settle().await?;
                collector.recorded_until = run.begun_second();
            }
            let parts = parts(backups, run, &collector, Phase::Live, 0).await?;
            let counts = BackupCounts::default();
            Cursor { phase: Phase::Live, parts, horizon, done: 0, counts }
        }
        Err(error) => return Err(Error::corrupt(format!("reading the position of backup {}", run.id()), error)),
    };
    // What the job says may be ahead of what was written.
    cursor.counts.bytes = bytes(writer.segments());
    run.set_done(cursor.done);
    run.advance(&at(&writer), &cursor.counts, 0)?;
    collector.horizon = cursor.horizon;
    loop {
        let (phase, parts_before) = (cursor.phase, cursor.parts.clone());
        let page = |part: Part, _| page(run, &collector, phase, &parts_before, part);
        let mut reader = PartsReader::new(run, cursor.parts.clone(), parallel.max(1), page);
        loop {
            let collected = match reader.next().await {
                Ok(Some(collected)) => collected,
                Ok(None) => break,
                Err(error) => {
                    // What was read is not read again.
                    writer.suspend(json!(cursor)).await.map_err(format_error)?;
                    return Err(error);
                }
            };
            push(&mut writer, &mut cursor, collected.lines).await?;
            cursor.counts.unknown += collected.counts.unknown;
            cursor.counts.inexact += collected.counts.inexact;
            cursor.done += collected.processed;
            cursor.parts = reader.parts.clone();
            writer.mark(json!(cursor)).await.map_err(format_error)?;
            cursor.counts.bytes = bytes(writer.segments());
            run.advance(&at(&writer), &cursor.counts, collected.processed)?;
        }
        if !cursor.parts.is_done() {
            writer.suspend(json!(cursor)).await.map_err(format_error)?;
            cursor.counts.bytes = bytes(writer.segments());
            run.advance(&at(&writer), &cursor.counts, 0)?;
            return Ok(Step::More);
        }
        if phase == Phase::Past || !collector.has_past() {
            break;
        }
        let parts = parts(backups, run, &collector, Phase::Past, cursor.done).await?;
        cursor = Cursor { phase: Phase::Past, parts, ..cursor };
    }
    let manifest = writer.finish(json!(cursor), Utc::now()).await.map_err(format_error)?;
    run.advance(&Value::Null, &finished(&manifest, cursor.counts), 0)?;
    Ok(Step::Ended(JobState::Done))
}

/// Finds the job's backup in its place, or begins it.
async fn open(backups: &Backups, run: &Run, request: &BackupRequest) -> Result<Opened, Error> {
    let (place, id) = (backups.places.open(&request.to).map_err(format_error)?, run.id());
    let other = |other: &str| {
        let message = format!("there is another backup, {other}");
        Error::new(ErrorKind::Conflict, format!("writing the backup in {place}"), message)
    };
    match read_manifest(&place).await {
        Ok((manifest, _)) if manifest.backup.id != id => Err(other(&manifest.backup.id)),
        Ok(_) => resume(place).await,
        Err(ReadError::Damage(Damage::Unfinished { .. })) => {
            match read_unfinished(&place).await.map_err(format_error)? {
                Some(header) if header.id != id => Err(other(&header.id)),
                _ => resume(place).await,
            }
        }
        Err(ReadError::Damage(Damage::NoManifest)) => {
            let header = backups.backup_header(request, &id).await?;
            let writer = BackupWriter::create(place, header).await.map_err(format_error)?;
            Ok(Opened::Writer(Box::new(writer)))
        }
        Err(ReadError::Damage(damage)) => Err(Error::invalid(format!("reading {place}"), damage.to_string())),
        Err(ReadError::Location(error)) => Err(format_error(error)),
    }
}

async fn resume(place: BackupLocation) -> Result<Opened, Error> {
    Ok(match BackupWriter::resume(place).await.map_err(format_error)? {
        Resumed::Unfinished(writer) => Opened::Writer(writer),
        Resumed::Finished(manifest) => Opened::Finished(manifest),
    })
}

/// The parts of a phase, and how much there is to look at in all.
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
    let items = container.count().await?;
    let others = match phase {
        Phase::Live if collector.has_past() => backups.history.changes().open().await?.count().await?,
        _ => Some(done),
    };
    // How many meet conditions is not known before.
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

async fn push(writer: &mut BackupWriter, cursor: &mut Cursor, lines: Vec<Line>) -> Result<(), Error> {
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

/// What the job keeps: the writer has the cursor.
fn at(writer: &BackupWriter) -> Value {
    json!({"segments": writer.segments().len()})
}

fn bytes(segments: &[SegmentRecord]) -> u64 {
    segments.iter().map(|segment| segment.compressed_bytes).sum()
}

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
