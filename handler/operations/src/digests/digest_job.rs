//! The job that writes digests: it continues the chain at a location file by file.

use std::time::Duration;

use changefeed_backup_format::{
    BackupLocation, ChainLink, DigestFile, create_digest_file, digest_file_name, digest_file_names, read_digest_file,
};
use changefeed_cosmos::{Error, ErrorKind, timestamp};
use changefeed_jobs::{JobKind, JobState, Kind, Run, Step};
use chrono::DateTime;
use futures::FutureExt;
use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::all::{DIGEST, Digests};
use super::digest_record::DigestCounts;
use super::digest_request::DigestRequest;
use super::write_file::{ChainEnd, HOUR};
use crate::backup::format_error;

/// After this number of seconds, no removal is under way that began before removals were recorded.
const REMOVAL_SECONDS: i64 = 60;
/// How long transient failures are retried.
const PATIENCE: Duration = Duration::from_secs(20);

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Cursor {
    /// The hours before this second since 1970 are written.
    until: i64,
    /// The end of the chain.
    end: ChainEnd,
    /// The second since 1970 from which on removals are recorded.
    recording_since: i64,
}

impl JobKind for Digests {
    fn kind(&self) -> Kind {
        DIGEST
    }

    fn work<'a>(&'a self, run: &'a Run) -> BoxFuture<'a, Result<Step, Error>> {
        async move { work(&self.metered(run.meter()), run).await }.boxed()
    }
}

/// Writes digests until all hours that were due are written or the run is stopping.
async fn work(digests: &Digests, run: &Run) -> Result<Step, Error> {
    let request: DigestRequest = serde_json::from_value(run.property("request"))
        .map_err(|error| Error::corrupt(format!("reading the request of digest job {}", run.id()), error))?;
    let location = digests.open(&request.to)?;
    let mut counts: DigestCounts = run.counts()?;
    let mut cursor = match run.cursor::<Cursor>()? {
        Some(cursor) => cursor,
        None => {
            let cursor = digests.begin(&request, &location).await?;
            counts.complete_until = complete_until(&cursor.end);
            run.begin(&cursor, &counts).await?;
            cursor
        }
    };
    if !digests.settle(run, cursor.recording_since).await? {
        return Ok(Step::More);
    }
    let step = digests.write(run, &location, &mut cursor, &mut counts).await;
    // Also after a failure: what was written is to be there from now on.
    if let Some(last) = &cursor.end.last {
        digests.set_last_file(&location, last).await?;
    }
    step
}

impl Digests {
    async fn begin(&self, request: &DigestRequest, location: &BackupLocation) -> Result<Cursor, Error> {
        let recording_since = self.begin_recording().await?;
        let now = self.history.clock().second().await?;
        let until = (now - request.grace()).div_euclid(HOUR) * HOUR;
        Ok(Cursor { until, end: self.end_of_chain(location).await?, recording_since })
    }

    /// The end of the chain at a location.
    async fn end_of_chain(&self, location: &BackupLocation) -> Result<ChainEnd, Error> {
        let remembered = self.last_file(location).await?;
        if let Some(remembered) = &remembered
            && read_file(location, &remembered.name).await?.is_none_or(|(_, sha256)| sha256 != remembered.sha256)
        {
            let message = format!(
                "{} is the last file that was written and is missing or changed; run `changefeed verify --digests`; a new chain needs \
                 another location",
                remembered.name
            );
            return Err(Error::new(ErrorKind::Invalid, format!("continuing the digests in {location}"), message));
        }
        let Some(name) = digest_file_names(location).await.map_err(format_error)?.pop() else {
            return Ok(ChainEnd::default());
        };
        let Some((file, sha256)) = read_file(location, &name).await? else { return Ok(ChainEnd::default()) };
        self.check_history(location, &file).await?;
        Ok(ChainEnd { to: file.to, last: Some(ChainLink { name, sha256 }) })
    }

    /// Refuses the chain of another history.
    async fn check_history(&self, location: &BackupLocation, file: &DigestFile) -> Result<(), Error> {
        let own = self.container().await?;
        match &file.history {
            Some(history) if *history != own => {
                let message = format!("the chain is of {history}, and this is {own}; use another location");
                Err(Error::new(ErrorKind::Invalid, format!("continuing the digests in {location}"), message))
            }
            _ => Ok(()),
        }
    }

    /// Waits until no removal is under way that was not recorded. Whether it has waited long enough.
    async fn settle(&self, run: &Run, recording_since: i64) -> Result<bool, Error> {
        if !self.history.was_anything_removed(Instant::now() + PATIENCE).await? {
            return Ok(true);
        }
        loop {
            let left = recording_since + REMOVAL_SECONDS - self.history.clock().second().await?;
            if left < 0 {
                return Ok(true);
            }
            if run.is_stopping() {
                return Ok(false);
            }
            run.rest(Duration::from_secs(left.unsigned_abs() + 1)).await;
        }
    }

    async fn write(
        &self,
        run: &Run,
        location: &BackupLocation,
        cursor: &mut Cursor,
        counts: &mut DigestCounts,
    ) -> Result<Step, Error> {
        while cursor.end.to < cursor.until {
            run.pace().await;
            if run.is_stopping() {
                return Ok(Step::More);
            }
            let (file, link) = match self.existing_file(location, &cursor.end).await? {
                Some(existing) => existing,
                None => {
                    let Some(file) = self.next_file(run, &cursor.end, cursor.until).await? else { break };
                    match create_digest_file(location, &file).await.map_err(format_error)? {
                        Some(link) => (file, link),
                        // Another job has written it just now.
                        None => continue,
                    }
                }
            };
            counts.files += 1;
            counts.versions += file.versions.len() as u64;
            counts.removals += file.removals.len() as u64;
            cursor.end = ChainEnd { last: Some(link), to: file.to };
            counts.complete_until = complete_until(&cursor.end);
            run.advance(&*cursor, &*counts, file.versions.len() as u64)?;
        }
        Ok(Step::Ended(JobState::Done))
    }

    /// The file after the end of the chain, if another job, or this one before it was interrupted, has written it.
    async fn existing_file(
        &self,
        location: &BackupLocation,
        end: &ChainEnd,
    ) -> Result<Option<(DigestFile, ChainLink)>, Error> {
        let name = digest_file_name(end.to);
        let Some((file, sha256)) = read_file(location, &name).await? else { return Ok(None) };
        self.check_history(location, &file).await?;
        if file.previous != end.last || file.to <= end.to {
            let message = format!("{name} does not continue the chain; run `changefeed verify --digests`");
            return Err(Error::corrupt(format!("continuing the digests in {location}"), message));
        }
        Ok(Some((file, ChainLink { name, sha256 })))
    }
}

fn complete_until(end: &ChainEnd) -> Option<String> {
    end.last.as_ref().and_then(|_| DateTime::from_timestamp_secs(end.to)).map(timestamp)
}

/// Reads a file of a chain; `None` if there is none.
async fn read_file(
    location: &BackupLocation,
    name: &str,
) -> Result<Option<(DigestFile, changefeed_backup_format::Digest)>, Error> {
    let read = read_digest_file(location, name).await.map_err(format_error)?;
    read.transpose().map_err(|message| Error::corrupt(format!("reading {name} in {location}"), message))
}
