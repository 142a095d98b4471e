//! The retention, where no timer of the Functions host asks for it: every instance sweeps once an hour. Two that do at the
//! same time yield to each other.

use std::sync::Arc;
use std::time::Duration;

use changefeed_history::SweepRequest;
use chrono::Utc;
use tokio::task::JoinHandle;

use crate::service::Service;

const FIRST: Duration = Duration::from_secs(60);
const INTERVAL: Duration = Duration::from_secs(60 * 60);

/// Sweeps until it is dropped. A sweep that is cut off goes on with the next.
pub struct Sweeping(JoinHandle<()>);

impl Sweeping {
    /// Does nothing where everything is kept.
    pub fn start(service: Arc<Service>) -> Self {
        Self(tokio::spawn(async move {
            if service.settings().retention_days.is_none() {
                return;
            }
            let mut pause = FIRST;
            loop {
                tokio::time::sleep(pause).await;
                pause = INTERVAL;
                let request = SweepRequest { now: Utc::now(), dry_run: false, time_limit: Some(INTERVAL / 2) };
                match service.changefeed.retention.sweep(&request).await {
                    Ok(report) => {
                        log::info!("{} expired versions removed, {:.1} RU", report.versions, report.request_charge)
                    }
                    Err(error) => log::warn!("the retention could not be kept, and will be tried again: {error}"),
                }
            }
        }))
    }
}

impl Drop for Sweeping {
    fn drop(&mut self) {
        self.0.abort();
    }
}
