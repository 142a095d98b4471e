//! The retention without the timer of the Functions host: every instance sweeps once an hour. Of two concurrent sweeps one
//! stops.

use std::sync::Arc;
use std::time::Duration;

use changefeed_cosmos::Error;
use changefeed_history::{SweepReport, SweepRequest};
use chrono::Utc;
use tokio::task::JoinHandle;

use crate::service::Service;
use crate::telemetry;

/// Delay before the first sweep.
const FIRST_DELAY: Duration = Duration::from_secs(60);
const INTERVAL: Duration = Duration::from_secs(60 * 60);

/// Sweeps until it is dropped. The next sweep resumes an interrupted one.
pub struct Sweeping(JoinHandle<()>);

impl Sweeping {
    /// Starts to sweep, unless versions are kept forever.
    pub fn start(service: Arc<Service>) -> Self {
        Self(tokio::spawn(async move {
            if service.settings().retention_days.is_none() {
                return;
            }
            let mut pause = FIRST_DELAY;
            loop {
                tokio::time::sleep(pause).await;
                pause = INTERVAL;
                match telemetry::attempt("Retention", Box::pin(sweep(&service))).await {
                    Ok(report) => {
                        log::info!("removed {} expired versions, {:.1} RU", report.versions, report.request_charge)
                    }
                    Err(error) => log::warn!("could not remove expired versions; the next sweep retries: {error}"),
                }
            }
        }))
    }
}

async fn sweep(service: &Service) -> Result<SweepReport, Error> {
    let retention = &service.changefeed.retention;
    let now = retention.now(Utc::now).await?;
    let report = retention.sweep(&SweepRequest { now, dry_run: false, time_limit: Some(INTERVAL / 2) }).await?;
    telemetry::swept(&report);
    Ok(report)
}

impl Drop for Sweeping {
    fn drop(&mut self) {
        self.0.abort();
    }
}
