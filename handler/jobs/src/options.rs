//! The limits and intervals of jobs.

use std::time::Duration;

use changefeed_cosmos::Background;

use crate::budget::DefaultBudget;

/// What becomes a job, and how large and how long its steps are. The defaults are for the service; tests use smaller values.
#[derive(Clone, Debug, PartialEq)]
pub struct JobOptions {
    /// The most documents that a restore within one request plans; a larger restore becomes a job.
    pub max_candidates: usize,
    /// The most documents that a restore within one request writes; a larger restore becomes a job.
    pub max_restored: usize,
    /// Documents on a page: they are planned and written before the cursor advances.
    pub page_items: usize,
    /// The approximate number of items in each part of a container.
    pub part_items: u64,
    /// Parts that are read concurrently.
    pub parallel: usize,
    /// The fewest items of a phase that is divided among workers. With fewer, one worker is done before others have begun.
    pub portion_items: u64,
    /// How long a claim lasts. If its worker does not renew it, another worker takes the job over.
    pub claim: Duration,
    /// The interval at which a running job is saved, which renews the claim.
    pub save_interval: Duration,
    /// How long a slice lasts.
    pub slice: Duration,
    /// How long to wait until a second that has ended by one clock of the service has ended by all of its clocks. It is more than a
    /// second.
    pub settle: Duration,
    /// The budget of a job whose request names none.
    pub default_budget: DefaultBudget,
    /// How the requests of jobs are sent.
    pub background: Background,
}

impl JobOptions {
    /// The number of items on a page and the number of concurrent parts for a budget of request units a second, where an item
    /// costs about `item_units`. Both are smaller with a small budget, so that the use is spread over time.
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
            portion_items: 10_000,
            claim: Duration::from_secs(30),
            save_interval: Duration::from_secs(2),
            slice: Duration::from_secs(50),
            settle: Duration::from_secs(2),
            default_budget: DefaultBudget::Unlimited,
            background: Background::default(),
        }
    }
}
