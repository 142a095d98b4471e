//! Whether the handler takes requests yet.

use std::time::Duration;

const POLLING_INTERVAL: Duration = Duration::from_millis(25);

pub(super) struct Readiness {
    pub client: reqwest::Client,
    pub url: String,
    pub timeout: Duration,
}

impl Readiness {
    /// Asks for `/` until anything but a refused connection comes back; false when that takes too long. Only the pauses
    /// count towards the timeout, and a handler that accepts but never answers is waited for.
    pub(super) async fn poll(&self) -> bool {
        let mut waited = Duration::ZERO;
        while !self.answers().await {
            if waited >= self.timeout {
                return false;
            }
            tokio::time::sleep(POLLING_INTERVAL).await;
            waited += POLLING_INTERVAL;
        }
        true
    }

    async fn answers(&self) -> bool {
        match self.client.get(format!("{}/", self.url)).send().await {
            Ok(_) => true,
            Err(error) => !error.is_connect(),
        }
    }
}
