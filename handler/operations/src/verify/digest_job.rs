//! The job of a verification with digests: it checks the chain of files, and then compares each period with the history.

use std::sync::Arc;
use std::time::Duration;

use changefeed_backup_format::{BackupLocation, ChainFile, DigestFile, check_digest_chain, read_digest_file};
use changefeed_cosmos::Error;
use changefeed_jobs::{ItemsPage, JobState, PageState, Planned, Run, Step, plan_page};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::digest_check::{Chain, DigestCheck, Period, chain_finding};
use super::finding::{Finding, PAGE_KIND, VerifyCounts};
use super::verifications::{ReadChain, Verifications};
use crate::backup::format_error;

/// How long transient failures of a step are retried within a slice.
const PATIENCE: Duration = Duration::from_secs(20);
/// Versions that are compared in a step, if they are not of one second.
const STEP_VERSIONS: usize = 500;
/// The approximate request units for a version.
const VERSION_UNITS: f64 = 2.0;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Phase {
    /// The files.
    Chain,
    /// The versions.
    Digests,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Cursor {
    phase: Phase,
    /// Versions that were stored before this second since 1970 are compared.
    from: i64,
}

struct Worker<'a> {
    run: &'a Run,
    verifications: &'a Verifications,
    location: BackupLocation,
    job_id: String,
    page_items: usize,
    /// Whether an interrupted worker may have stored the page of the next step.
    may_be_begun: bool,
}

/// Works on a verification with digests until it is done or the run is stopping.
pub(super) async fn work(verifications: &Verifications, run: &Run, location: &str) -> Result<Step, Error> {
    let (page_items, _) = verifications.jobs.options().within(run.ru_per_second(), VERSION_UNITS);
    let mut worker = Worker {
        run,
        verifications,
        location: verifications.digests.open(location)?,
        job_id: run.id(),
        page_items,
        may_be_begun: true,
    };
    let mut counts: VerifyCounts = run.counts()?;
    let mut cursor = run.cursor::<Cursor>()?.unwrap_or(Cursor { phase: Phase::Chain, from: 0 });
    let chain = run.set_up(worker.chain()).await?;
    if cursor.phase == Phase::Chain {
        let flaws = chain.checked.flaws.iter().map(|flaw| chain_finding(&flaw.name, &flaw.message)).collect();
        let page = worker.page("chain", 0, async || Ok((Vec::clone(&flaws), 0, 0))).await?;
        let Some((found, ..)) = page else { return Ok(Step::More) };
        counts.add(found);
        cursor = Cursor { phase: Phase::Digests, from: 0 };
        run.set_total(Some(chain.checked.files.iter().map(|file| file.versions).sum()));
        run.begin(&cursor, &counts).await?;
    }
    for file in &chain.checked.files {
        if file.to > cursor.from && !worker.compare_file(&chain, file, &mut cursor, &mut counts).await? {
            return Ok(Step::More);
        }
    }
    Ok(Step::Ended(if counts.found() > 0 { JobState::Findings } else { JobState::Done }))
}

impl Worker<'_> {
    /// The chain. A process reads it once for a verification.
    async fn chain(&self) -> Result<Arc<Chain>, Error> {
        let mut known = self.verifications.chain.lock().await;
        if let Some(read) = known.as_ref().filter(|read| read.job_id == self.job_id) {
            return Ok(Arc::clone(&read.chain));
        }
        let last = self.verifications.digests.last_file(&self.location).await?;
        let mut chain = Chain::default();
        let add = |removal| chain.removals.add_removal(&removal);
        let checked = check_digest_chain(&self.location, last.as_ref(), add).await.map_err(format_error)?;
        chain.checked = checked;
        let chain = Arc::new(chain);
        *known = Some(ReadChain { job_id: self.job_id.clone(), chain: Arc::clone(&chain) });
        Ok(chain)
    }

    /// Compares the versions of a file from the cursor on. Whether it reached the end.
    async fn compare_file(
        &mut self,
        chain: &Chain,
        entry: &ChainFile,
        cursor: &mut Cursor,
        counts: &mut VerifyCounts,
    ) -> Result<bool, Error> {
        let file = match read_digest_file(&self.location, &entry.name).await.map_err(format_error)? {
            Some(Ok((file, _))) => file,
            _ => {
                let message = format!("{} was changed or removed during the verification; verify again", entry.name);
                return Err(Error::corrupt(format!("verifying the digests in {}", self.location), message));
            }
        };
        let check = DigestCheck { history: &self.verifications.history, chain, page_items: self.page_items };
        while cursor.from < file.to {
            let from = cursor.from.max(file.from);
            let period = period_from(&file, from);
            let compared = period.versions.len() as u64;
            let page = async || Ok((check.compare(&period).await?, compared, period.to));
            let Some((found, compared, to)) = self.page("digests", from, page).await? else { return Ok(false) };
            counts.add(found);
            counts.versions += compared;
            cursor.from = to;
            self.run.advance(&*cursor, &*counts, compared)?;
        }
        Ok(true)
    }

    /// Stores the findings of a step, or finds those that an interrupted worker had stored. Their counts, the number of versions that were
    /// compared, and the second from which on the next step compares. `None` when the run is stopping.
    async fn page<F: Future<Output = Result<(Vec<Finding>, u64, i64), Error>>>(
        &mut self,
        phase: &str,
        from: i64,
        compare: impl Fn() -> F,
    ) -> Result<Option<(VerifyCounts, u64, i64)>, Error> {
        let id = format!("{}-{PAGE_KIND}-{phase}-000-{from:010}", self.job_id);
        let deadline = Instant::now() + PATIENCE;
        let plan = || async {
            let (findings, processed, to) = compare().await?;
            let page = ItemsPage::planned(id.clone(), PAGE_KIND, self.job_id.clone(), findings);
            Ok(ItemsPage { state: PageState::Done, next: Some(to.to_string()), processed, ..page })
        };
        let page = match plan_page(self.run, &id, self.may_be_begun, deadline, plan).await? {
            Planned::Stored(stored, _) => stored.page,
            Planned::Empty(page) => page,
            Planned::Stopping => return Ok(None),
        };
        self.may_be_begun = false;
        let to = page.next.as_deref().and_then(|next| next.parse().ok());
        let to = to.ok_or_else(|| Error::corrupt(format!("reading page {id}"), "it has no end"))?;
        Ok(Some((VerifyCounts::of(&page.items, 0), page.processed, to)))
    }
}

/// The next step of a file from a second on: whole seconds.
fn period_from(file: &DigestFile, from: i64) -> Period<'_> {
    let start = file.versions.partition_point(|version| version.second < from);
    let rest = &file.versions[start..];
    let next = rest.get(STEP_VERSIONS).and_then(|_| {
        let last = rest[STEP_VERSIONS - 1].second;
        rest.iter().find(|version| version.second > last).map(|version| version.second)
    });
    let to = next.unwrap_or(file.to);
    let versions = &rest[..rest.partition_point(|version| version.second < to)];
    Period { from, to, versions }
}

#[cfg(test)]
mod tests {
    use super::*;
    use changefeed_backup_format::VersionDigest;

    #[test]
    fn steps_cover_a_file_in_whole_seconds() {
        let version = |number: usize| VersionDigest {
            second: 100 + number as i64 / 300,
            id: number.to_string(),
            sha256: [0; 32].into(),
        };
        let versions: Vec<_> = (0..2000).map(version).collect();
        let file = DigestFile { history: None, from: 50, to: 200, previous: None, versions, removals: Vec::new() };
        let (mut from, mut steps) = (50, Vec::new());
        while from < file.to {
            let period = period_from(&file, from);
            assert!(
                period.to > from && period.versions.iter().all(|version| (from..period.to).contains(&version.second))
            );
            steps.push(period.versions.len());
            from = period.to;
        }
        assert_eq!((steps.iter().sum::<usize>(), steps), (2000, vec![600, 600, 600, 200]));
        let empty = DigestFile { versions: Vec::new(), ..file };
        assert_eq!((period_from(&empty, 50).to, period_from(&empty, 50).versions.len()), (200, 0));
    }
}
