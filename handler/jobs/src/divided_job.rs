//! A job that is divided among portions, and the records of its portions.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use crate::job::{Job, Work};
use crate::portion::{PORTION, Portion, PortionState};
use crate::state::JobState;

/// The format of a record.
const SCHEMA: u32 = 1;
/// Seconds after which the service removes the record of a portion that has ended. Its outcome is in the divided job.
const ENDED_TTL: u64 = 86_400;

impl Work {
    /// Whether the job is divided, and some of its portions have not ended: until then no worker claims it.
    pub fn is_waiting(&self) -> bool {
        let are_created = self.portions.iter().all(|portion| portion.state != PortionState::New);
        are_created && self.unfinished_portions().next().is_some()
    }

    /// Whether a worker may have one of its portions.
    pub(crate) fn has_portions_under_way(&self) -> bool {
        self.portions.iter().any(|portion| portion.state == PortionState::Created)
    }

    /// The portions that have not ended.
    pub fn unfinished_portions(&self) -> impl Iterator<Item = &Portion> {
        self.portions.iter().filter(|portion| !portion.state.is_end())
    }

    /// The budget of each portion that has not ended: in total no more than that of the job, because none that has ended starts again.
    pub(crate) fn portion_budget(&self) -> Option<f64> {
        Some(self.ru_per_second? / self.unfinished_portions().count().max(1) as f64)
    }

    /// Lets portions that have failed, or were not created, be created again.
    pub(crate) fn renew_portions(&mut self, job_id: &str) {
        self.portions.iter_mut().for_each(|portion| portion.renew(job_id));
    }
}

impl Job {
    /// The record of a new portion. It is as old as the job, whose versions the retention keeps.
    pub(crate) fn portion_record(&self, portion: &Portion, now: DateTime<Utc>) -> Value {
        let work = Work { cursor: portion.cursor.clone(), done: portion.done, ..Work::queued(self.job.budget(), now) };
        json!({
            "id": portion.id,
            "kind": PORTION,
            "jobId": self.id,
            "state": JobState::Queued,
            "startedAt": self.started_at,
            "counts": portion.counts,
            "requestCharge": portion.request_charge,
            "job": work,
            "schema": SCHEMA,
        })
    }

    /// The id of the job that it is a portion of.
    pub(crate) fn portion_of(&self) -> Option<&str> {
        self.other.get("jobId").and_then(Value::as_str).filter(|_| self.kind == PORTION)
    }

    /// Whether it lists this portion.
    pub(crate) fn lists(&self, portion_id: &str) -> bool {
        self.job.portions.iter().any(|portion| portion.id == portion_id)
    }

    /// The end of a portion of this job, if it is recorded. One that is not listed any more was joined.
    pub(crate) fn recorded_end(&self, portion_id: &str) -> Option<JobState> {
        let listed = self.job.portions.iter().find(|portion| portion.id == portion_id);
        match listed.map(|portion| portion.state) {
            // The reply to its creation was lost, and the job has ended since. If it resumes, the portion gets another record.
            Some(PortionState::New) if self.state.is_end() => Some(self.state),
            Some(PortionState::New | PortionState::Created) => None,
            Some(PortionState::Failed) => Some(JobState::Failed),
            Some(PortionState::Cancelled) => Some(JobState::Cancelled),
            None if self.job.cancel => Some(JobState::Cancelled),
            Some(PortionState::Done) | None => Some(JobState::Done),
        }
    }

    /// Adds what a portion has done.
    pub(crate) fn add_portion(&mut self, counts: &Value, done: u64, request_charge: f64) {
        add_counts(&mut self.counts, counts);
        self.job.done += done;
        self.request_charge += request_charge;
    }

    /// Sets what makes the record of an ended portion expire.
    pub(crate) fn expire_portion(&mut self) {
        if self.kind == PORTION {
            self.other.insert("ttl".to_owned(), json!(ENDED_TTL));
        }
    }
}

/// Adds the numbers of counts.
fn add_counts(counts: &mut Value, more: &Value) {
    let Value::Object(more) = more else { return };
    if !counts.is_object() {
        *counts = json!({});
    }
    for (name, number) in more {
        let sum = counts[name].as_u64().unwrap_or_default() + number.as_u64().unwrap_or_default();
        counts[name] = json!(sum);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_portion_follows_from_the_list_and_from_the_state_of_its_job() {
        let portion = |id: &str, state| Portion { state, ..Portion::new(id.into(), Value::Null) };
        let work = Work {
            portions: [portion("new", PortionState::New), portion("created", PortionState::Created)].into(),
            ..Work::default()
        };
        let record = json!({"id": "job", "kind": "k", "state": "running", "startedAt": "", "job": work});
        let mut job: Job = serde_json::from_value(record).expect("a job");
        let ends = |job: &Job| ["new", "created", "joined"].map(|id| job.recorded_end(id));
        assert_eq!(ends(&job), [None, None, Some(JobState::Done)]);
        job.state = JobState::Failed;
        assert_eq!(ends(&job), [Some(JobState::Failed), None, Some(JobState::Done)]);
        assert!(job.lists("new") && !job.lists("joined"));
    }

    #[test]
    fn counts_are_added_name_by_name() {
        let mut counts = Value::Null;
        add_counts(&mut counts, &json!({"replace": 3, "failed": 0}));
        add_counts(&mut counts, &Value::Null);
        add_counts(&mut counts, &json!({"replace": 4, "merge": 1}));
        assert_eq!(counts, json!({"replace": 7, "failed": 0, "merge": 1}));
    }

    #[test]
    fn a_job_waits_from_the_creation_of_its_portions_until_the_last_one_ends() {
        let mut work = Work { ru_per_second: Some(9000.0), ..Work::default() };
        assert!(!work.is_waiting(), "it is not divided");
        work.portions = ["1", "2", "3"].map(|id| Portion::new(id.into(), json!({}))).into();
        assert!(!work.is_waiting(), "a worker must create the portions");
        assert_eq!(work.portion_budget(), Some(3000.0));
        work.portions.iter_mut().for_each(|portion| portion.state = PortionState::Created);
        assert!(work.is_waiting());
        work.portions[1].state = PortionState::Failed;
        assert!(work.is_waiting());
        assert_eq!(work.portion_budget(), Some(4500.0));
        work.portions[0].state = PortionState::Done;
        work.portions[2].state = PortionState::Done;
        assert!(!work.is_waiting(), "a worker must end the job");
        work.renew_portions("job");
        let states: Vec<_> = work.portions.iter().map(|portion| portion.state).collect();
        assert_eq!(states, [PortionState::Done, PortionState::New, PortionState::Done]);
        assert!(work.portions[1].id.starts_with("job-portion-"), "a record of its own: {}", work.portions[1].id);
    }
}
