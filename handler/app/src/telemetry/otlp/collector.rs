//! Requests to the collector.

use std::error::Error;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::Result;
use async_trait::async_trait;
use opentelemetry::Context;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use tokio::runtime::{Builder, Handle};
use tokio::time::Instant;

/// Shortest time between two warnings.
const WARNING_INTERVAL: Duration = Duration::from_secs(5 * 60);

/// Sends on a thread of its own. What this thread logs is not exported, or each request would cause the next one.
#[derive(Debug)]
pub struct Collector {
    client: reqwest::Client,
    runtime: Handle,
    warned: Mutex<Option<Instant>>,
}

impl Collector {
    pub fn new(timeout: Duration) -> Result<Self> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("otlp")
            .on_thread_start(|| std::mem::forget(Context::enter_telemetry_suppressed_scope()))
            .enable_all()
            .build()?;
        // A redirect would take the headers, which can hold a key, to another host.
        let redirect = reqwest::redirect::Policy::none();
        let client = reqwest::Client::builder().timeout(timeout).redirect(redirect).build()?;
        let handle = runtime.handle().clone();
        // It lives as long as the process: its end would wait for the lookup of a host name.
        std::mem::forget(runtime);
        Ok(Self { client, runtime: handle, warned: Mutex::default() })
    }

    fn warn(&self, to: &str, problem: &str) {
        let mut warned = self.warned.lock().unwrap_or_else(PoisonError::into_inner);
        if warned.is_none_or(|warned| warned.elapsed() >= WARNING_INTERVAL) {
            *warned = Some(Instant::now());
            log::warn!("could not export telemetry to {to}: {problem}; capture and jobs do not need it");
        }
    }
}

#[async_trait]
impl HttpClient for Collector {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        // Not the whole URL, which can hold a key.
        let port = request.uri().port_u16().map(|port| format!(":{port}")).unwrap_or_default();
        let to = format!("{}{port}", request.uri().host().unwrap_or_default());
        let client = self.client.clone();
        let sending = self.runtime.spawn(async move { client.send_bytes(request).await });
        let sent = sending.await.unwrap_or_else(|ended| Err(ended.into()));
        match &sent {
            Ok(response) if response.status().is_success() => {}
            Ok(response) => self.warn(&to, &format!("it answered {}", response.status())),
            Err(error) => self.warn(&to, &cause(error.as_ref())),
        }
        sent
    }
}

/// The first cause, such as a refused connection. The errors above it name the URL.
fn cause(mut error: &(dyn Error + 'static)) -> String {
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}
