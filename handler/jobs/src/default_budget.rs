//! Gives a new job its budget.

use changefeed_cosmos::Error;
use futures::future::try_join_all;

use crate::budget::{ALLOWED, Budget, DefaultBudget};
use crate::jobs::Jobs;

impl Jobs {
    /// The budget of a new job: the requested one, or else the default.
    ///
    /// # Errors
    /// When the provisioned throughput cannot be read now.
    pub async fn budget(&self, requested: Option<f64>) -> Result<Budget, Error> {
        if requested.is_some() {
            return Ok(Budget { ru_per_second: requested, share_of: None });
        }
        match self.options().default_budget {
            DefaultBudget::Unlimited => Ok(Budget::unlimited()),
            DefaultBudget::Fixed(ru_per_second) => Ok(Budget { ru_per_second: Some(ru_per_second), share_of: None }),
            DefaultBudget::Share(share) => {
                let read = self.limited_by().iter().map(|container| container.throughput());
                let share_of = try_join_all(read).await?.into_iter().flatten().min();
                let ru_per_second = share_of.map(|throughput| (throughput as f64 * share).max(*ALLOWED.start()));
                Ok(Budget { ru_per_second, share_of })
            }
        }
    }
}
