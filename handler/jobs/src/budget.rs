//! The request units that a new job may use in a second.

/// The budgets that are allowed, in request units a second.
pub(crate) const ALLOWED: std::ops::RangeInclusive<f64> = 10.0..=10_000_000.0;

/// The budget of a job whose request names none.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum DefaultBudget {
    /// No limit.
    Unlimited,
    /// So many request units in a second.
    Fixed(f64),
    /// This share of the throughput that is provisioned, above 0 and at most 1. No limit where none is provisioned, or where it cannot be read.
    Share(f64),
}

/// The request units that a job may use in a second. [`Jobs::budget`](crate::Jobs::budget) makes it, so that no job is created without asking for the
/// default.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Budget {
    /// `None`: no limit.
    pub(crate) ru_per_second: Option<f64>,
    /// The provisioned throughput that it is a share of.
    pub(crate) share_of: Option<u64>,
}

impl Budget {
    /// Without a limit: for a job that does no work.
    pub fn unlimited() -> Self {
        Self::default()
    }
}

/// Checks a budget of request units a second.
///
/// # Errors
/// The value and the allowed range.
pub fn check_budget(ru_per_second: Option<f64>) -> Result<(), String> {
    match ru_per_second {
        Some(budget) if !ALLOWED.contains(&budget) => Err(format!(
            "ruPerSecond is {budget}; allowed are {} to {} request units a second",
            ALLOWED.start(),
            ALLOWED.end()
        )),
        _ => Ok(()),
    }
}
