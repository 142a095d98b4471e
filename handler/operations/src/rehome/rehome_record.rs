//! The records of moves, as they are shown. `docs/reference/format.md` specifies the record.

use changefeed_cosmos::{Error, PageRequest};
use changefeed_jobs::Job;
use serde::{Deserialize, Serialize};

use super::rehomes::{REHOME, Rehomes};
use crate::job_view::{JobList, JobView};

/// The most problems that a record names.
const NAMED_PROBLEMS: usize = 20;

/// What a move has done so far. Of a dry run: what it would do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RehomeCounts {
    /// Versions or copies that were found in the other container.
    pub records: u64,
    /// Documents whose versions are stored.
    pub documents: u64,
    /// Versions that were stored.
    pub versions: u64,
    /// Versions that were here before.
    pub already_stored: u64,
    /// Copies of changes that were copied or captured before.
    pub duplicates: u64,
    /// Deletes of documents whose next version has another partition key. They are among the versions.
    pub ended: u64,
    /// Removals without a known partition key, which are not stored.
    pub without_key: u64,
    /// Erased documents, whose versions are not stored.
    pub erased: u64,
    /// Versions of documents that the capture filter excludes, which are not stored.
    #[serde(skip_serializing_if = "is_zero")]
    pub excluded: u64,
    /// Dead letters that were stored.
    pub dead_letters: u64,
    /// Items that cannot be read, or are not what they should be.
    pub unreadable: u64,
    /// Versions that were compared.
    pub compared: u64,
    /// Versions that are not here.
    pub missing: u64,
    /// Versions that are here with another content.
    pub different: u64,
    /// The first of the problems that the last three counts and `unreadable` count.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl RehomeCounts {
    /// Adds the counts of a page.
    pub(super) fn add(&mut self, other: Self) {
        self.records += other.records;
        self.documents += other.documents;
        self.versions += other.versions;
        self.already_stored += other.already_stored;
        self.duplicates += other.duplicates;
        self.ended += other.ended;
        self.without_key += other.without_key;
        self.erased += other.erased;
        self.excluded += other.excluded;
        self.dead_letters += other.dead_letters;
        self.unreadable += other.unreadable;
        self.compared += other.compared;
        self.missing += other.missing;
        self.different += other.different;
        other.problems.into_iter().for_each(|problem| self.name(problem));
    }

    /// Names a problem, unless enough are named.
    pub(super) fn name(&mut self, problem: String) {
        if self.problems.len() < NAMED_PROBLEMS {
            self.problems.push(problem);
        }
    }

    /// Names the problem if not every record that was found was stored, or left out for a reason that is counted. The versions of an
    /// erased document are not counted one by one.
    pub(super) fn account(&mut self) {
        let settled =
            self.versions + self.already_stored + self.duplicates + self.without_key + self.excluded + self.unreadable;
        let left = (self.records + self.ended).saturating_sub(settled);
        if left > 0 && self.erased == 0 {
            self.missing += left;
            self.name(format!("{left} of the {} items of the other container were found and not stored", self.records));
        }
    }

    /// Whether something is not here, or not as it was.
    pub fn has_problems(&self) -> bool {
        self.unreadable + self.missing + self.different > 0
    }
}

/// A move, as it is shown.
pub type RehomeView = JobView<RehomeCounts>;
/// A list of moves.
pub type RehomeList = JobList<RehomeCounts>;

/// The fields of a job's record in a list.
const LISTED_FIELDS: [&str; 10] =
    ["id", "kind", "state", "startedAt", "finishedAt", "counts", "requestCharge", "job", "request", "schema"];

impl Rehomes {
    /// A page of the moves, newest first. A page has 100 unless the request says otherwise.
    ///
    /// # Errors
    /// When the request is out of bounds, and when the jobs container cannot be read.
    pub async fn list(&self, request: &PageRequest) -> Result<RehomeList, Error> {
        let (jobs, continuation) = self.jobs.list::<Job>(REHOME, &LISTED_FIELDS, request).await?;
        Ok(JobList { items: jobs.into_iter().map(RehomeView::of).collect(), continuation })
    }

    /// One move.
    ///
    /// # Errors
    /// [`NotFound`](changefeed_cosmos::ErrorKind::NotFound) when there is no such move.
    pub async fn show(&self, id: &str) -> Result<RehomeView, Error> {
        self.jobs.record::<Job>(REHOME, id, &[]).await.map(RehomeView::of)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_record_that_was_found_is_accounted_for() {
        let accounted = |counts: RehomeCounts| {
            let mut counts = counts;
            counts.account();
            (counts.missing, counts.problems.len())
        };
        let found = RehomeCounts { records: 10, versions: 6, already_stored: 2, ended: 1, ..RehomeCounts::default() };
        for (duplicates, without_key, unreadable) in [(3, 0, 0), (1, 1, 1), (0, 2, 1)] {
            let whole = RehomeCounts { duplicates, without_key, unreadable, ..found.clone() };
            assert_eq!(accounted(whole), (0, 0));
        }
        // A delete that the move adds for a new key is not a record of the other history.
        assert_eq!(accounted(RehomeCounts { duplicates: 2, ..found.clone() }), (1, 1));
        assert_eq!(accounted(RehomeCounts { records: 6, ..RehomeCounts::default() }), (6, 1));
        // The versions of an erased document are not counted one by one.
        assert_eq!(accounted(RehomeCounts { erased: 1, ..found }), (0, 0));
    }
}
