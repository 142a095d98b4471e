//! What a caller asks to prune, completed by the policy.

use changefeed_cosmos::Error;
use changefeed_history::TimeZone;
use serde::Deserialize;

use super::keep::Keep;
use super::policies::BackupPolicies;
use super::policy_record::Saved;
use super::prune_plan::PrunePlan;
use super::prune_request::PruneRequest;

/// What a caller asks to prune. What is not given is that of the policy.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PruneOrder {
    /// The location below which the backups are.
    #[serde(default)]
    pub location: Option<String>,
    /// Of how many days the newest backup is kept.
    #[serde(default)]
    pub keep_daily: Option<u32>,
    /// Of how many weeks.
    #[serde(default)]
    pub keep_weekly: Option<u32>,
    /// Of how many months.
    #[serde(default)]
    pub keep_monthly: Option<u32>,
    /// The zone of days, weeks and months.
    #[serde(default)]
    pub time_zone: Option<String>,
    /// Only answer with the plan.
    #[serde(default)]
    pub dry_run: bool,
    /// Confirms the plan of a dry run: the number of backups that it deletes.
    #[serde(default)]
    pub confirm: Option<usize>,
}

fn invalid(message: impl Into<String>) -> Error {
    Error::invalid("pruning backups", message)
}

impl PruneOrder {
    /// Checks that a plan is confirmed.
    ///
    /// # Errors
    /// When `confirm` is not the number of backups that the plan deletes.
    pub fn check_confirmed(&self, plan: &PrunePlan) -> Result<(), Error> {
        let count = plan.deleted().count();
        let found = match self.confirm {
            Some(confirm) if confirm == count => return Ok(()),
            Some(confirm) => format!("is {confirm}"),
            None => "is missing".to_owned(),
        };
        Err(invalid(format!(
            "confirm {found}; look at the plan with dryRun, and repeat the number of backups that it deletes: {count}"
        )))
    }
}

impl BackupPolicies {
    /// What an order asks for, completed by the policy. Its days are in `zone`, unless it or the policy names one.
    ///
    /// # Errors
    /// When something is missing that the policy does not say, and when the jobs container cannot be read.
    pub async fn prune_request(&self, order: &PruneOrder, zone: &TimeZone) -> Result<PruneRequest, Error> {
        const KEEP: &str = "keepDaily, keepWeekly or keepMonthly";
        let counts = [order.keep_daily, order.keep_weekly, order.keep_monthly];
        let [daily, weekly, monthly] = counts.map(|count| count.unwrap_or(0));
        let keep = counts.iter().any(Option::is_some).then_some(Keep { daily, weekly, monthly });
        let named = order.time_zone.as_ref().map(|name| name.parse::<TimeZone>());
        let named = named.transpose().map_err(|message| invalid(format!("timeZone: {message}")))?;
        if let Some(location) = &order.location {
            let keep =
                keep.ok_or_else(|| invalid(format!("set {KEEP}, or leave out the location to prune by the policy")))?;
            return Ok(PruneRequest { location: location.clone(), keep, zone: named.unwrap_or_else(|| zone.clone()) });
        }
        let saved = Saved::load(&self.jobs_container).await?;
        let policy =
            saved.ok_or_else(|| invalid(format!("no backup policy is set; set location, and {KEEP}")))?.record.policy;
        let (location, by_policy) = (policy.to.clone(), policy.prune_request()?);
        let of_policy = by_policy.as_ref().map(|request| request.zone.clone());
        let zone = named.or(of_policy).unwrap_or_else(|| zone.clone());
        let keep = keep.or(by_policy.map(|request| request.keep));
        let keep = keep.ok_or_else(|| invalid(format!("the policy keeps every backup; set {KEEP}")))?;
        Ok(PruneRequest { location, keep, zone })
    }
}
