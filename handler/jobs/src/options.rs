//! How jobs are done.

use std::time::Duration;

/// What is a job and what is not, and how long its steps are. The defaults are for the service; tests make small what is
/// large.
#[derive(Clone, Debug, PartialEq)]
pub struct JobOptions {
    /// Documents that one request looks at; a restore of more is a job.
    pub max_candidates: usize,
    /// Documents that one request writes; a restore of more is a job.
    pub max_restored: usize,
    /// Documents that are planned and then written before the cursor moves.
    pub page_items: usize,
    /// Items of a container for each part that it is cut into.
    pub part_items: u64,
    /// Parts that are worked on side by side.
    pub parallel: usize,
    /// After what time without a sign of life another runner takes a job over.
    pub claim: Duration,
    /// How often a running job is saved.
    pub save_interval: Duration,
    /// How long a slice is.
    pub slice: Duration,
    /// How long after a second that is over by one clock of the service it is over by all of them, and by more than a second.
    pub settle: Duration,
}

impl JobOptions {
    /// Items on a page and parts side by side within a budget of request units a second, where an item costs about so much:
    /// a small budget is not spent in one breath.
    pub fn within(&self, budget: Option<f64>, item_units: f64) -> (usize, usize) {
        let Some(budget) = budget else { return (self.page_items.max(1), self.parallel.max(1)) };
        let page_items = self.page_items.min((budget / item_units) as usize);
        (page_items.max(1), self.parallel.min((budget / 1000.0).ceil() as usize).max(1))
    }
}

impl Default for JobOptions {
    fn default() -> Self {
        Self {
            max_candidates: 10_000,
            max_restored: 1000,
            page_items: 100,
            part_items: 2000,
            parallel: 8,
            claim: Duration::from_secs(30),
            save_interval: Duration::from_secs(2),
            slice: Duration::from_secs(50),
            settle: Duration::from_secs(2),
        }
    }
}
