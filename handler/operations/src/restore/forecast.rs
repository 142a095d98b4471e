//! What the execution of a plan will take.

use std::fmt;

use changefeed_cosmos::Error;
use changefeed_jobs::{JobProgress, JobState};
use serde::Serialize;

use super::restore_record::RestoreRecord;
use super::restores::Restores;

/// The size of a document where the service does not say it.
const TYPICAL_BYTES: u64 = 1000;

/// About what the execution of a plan takes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Forecast {
    /// Request units.
    pub request_units: f64,
    /// The least time within the budget; absent without a budget.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seconds: Option<f64>,
    #[serde(skip)]
    ru_per_second: Option<f64>,
    #[serde(skip)]
    share_of: Option<u64>,
}

impl Restores {
    /// The forecast of a plan that was stored and is not executed yet. It counts documents of the mean size of the container.
    pub(super) async fn forecast(
        &self,
        record: &RestoreRecord,
        progress: Option<&JobProgress>,
    ) -> Result<Option<Forecast>, Error> {
        if record.state != JobState::Planned || record.counts.writes() == 0 {
            return Ok(None);
        }
        let usage = self.target_container(record.into.as_deref()).await?.usage().await?;
        let bytes = usage.and_then(|usage| usage.mean_item_bytes()).unwrap_or(TYPICAL_BYTES);
        let request_units = (record.counts.writes() as f64 * document_charge(bytes)).ceil();
        let ru_per_second = progress.and_then(|progress| progress.ru_per_second);
        let share_of = progress.and_then(|progress| progress.share_of);
        let seconds = ru_per_second.map(|budget| (request_units / budget).ceil());
        Ok(Some(Forecast { request_units, seconds, ru_per_second, share_of }))
    }
}

/// About the request units for writing a planned document of so many bytes: reading the version and the live document, saving what is
/// overwritten where it is not captured yet, and writing.
fn document_charge(bytes: u64) -> f64 {
    16.0 + 0.00085 * bytes as f64
}

impl fmt::Display for Forecast {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Its execution takes about {:.0} request units", self.request_units)?;
        let (Some(seconds), Some(budget)) = (self.seconds, self.ru_per_second) else {
            return formatter.write_str(", and no budget limits it.");
        };
        write!(formatter, " and at least {}, with a budget of {budget:.0} RU/s", duration(seconds))?;
        match self.share_of {
            Some(throughput) => write!(formatter, " of the provisioned {throughput} RU/s."),
            None => formatter.write_str("."),
        }
    }
}

/// The largest two units.
fn duration(seconds: f64) -> String {
    let seconds = seconds as u64;
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, seconds) => format!("{seconds} s"),
        (0, minutes, seconds) => format!("{minutes} min {seconds} s"),
        (hours, minutes, _) => format!("{hours} h {minutes} min"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_forecast_says_the_budget_and_what_it_is_a_share_of() {
        let forecast = |ru_per_second: Option<f64>, share_of| {
            let seconds = ru_per_second.map(|budget| 36_000.0 / budget);
            Forecast { request_units: 36_000.0, seconds, ru_per_second, share_of }.to_string()
        };
        let expected = "Its execution takes about 36000 request units and at least 1 min 12 s, with a budget of 500 RU/s of the provisioned 1000 RU/s.";
        assert_eq!(forecast(Some(500.0), Some(1000)), expected);
        assert!(forecast(Some(10.0), None).ends_with("at least 1 h 0 min, with a budget of 10 RU/s."));
        assert!(forecast(None, None).ends_with("36000 request units, and no budget limits it."));
    }
}
