//! `changefeed process`: capture and jobs on the change feed processor, until Ctrl-C or SIGTERM.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use changefeed_processor::{Change, ChangeFeedMode, StartFrom};
use serde_json::{Value, json};

use super::arguments::ProcessArguments;
use super::interrupt::Interrupts;
use super::output::print_line;
use crate::process::{Health, HealthPort, ProcessOptions, Processing};
use crate::service::Service;

/// Whoever stops a process and its group sends two signals: within this time they count as one.
const ONE_SIGNAL: Duration = Duration::from_secs(2);

/// Captures until it is told to stop; then finishes what is under way and gives its leases back. Told a second time, it
/// stops at once.
pub async fn run(service: Service, arguments: ProcessArguments) -> Result<()> {
    let options = options(&service, &arguments);
    let mode = options.mode;
    let mut interrupts = Interrupts::listen()?;
    let health = Health::new();
    // Before anything is started: a port that is taken is a mistake.
    let health_port = match arguments.health_port {
        Some(port) => Some(HealthPort::serve(arguments.health_address, port, &health)?),
        None => None,
    };
    let processing = Processing::start(Arc::new(service), options, &health, interrupts.next()).await?;
    let Some(processing) = processing else { return Ok(()) };
    let mut ready = json!({"event": "ready", "instance": processing.instance_name(), "mode": mode.to_string()});
    if let Some(port) = &health_port {
        ready["health"] = json!(format!("http://{}", port.address()));
    }
    print_line(&ready.to_string())?;

    interrupts.next().await;
    let told = Instant::now();
    log::info!("stopping: batches under way are finished, then the leases are given back");
    let again = async {
        while told.elapsed() < ONE_SIGNAL {
            interrupts.next().await;
        }
    };
    tokio::select! {
        () = processing.stop(&health) => {}
        () = again => bail!("stopped at once: the leases expire, and batches under way come again"),
    }
    if let Some(port) = health_port {
        port.close().await;
    }
    Ok(())
}

fn options(service: &Service, arguments: &ProcessArguments) -> ProcessOptions {
    let mode = arguments.mode.unwrap_or(service.settings().mode);
    let start_from = match (arguments.from, mode) {
        (Some(from), _) => from.start(),
        (None, ChangeFeedMode::AllVersionsAndDeletes) => StartFrom::Now,
        (None, ChangeFeedMode::LatestVersion) => StartFrom::Beginning,
    };
    let milliseconds = |value: Option<u64>| value.map(Duration::from_millis);
    ProcessOptions {
        instance_name: arguments.instance.clone(),
        mode,
        start_from,
        max_items: arguments.max_items,
        poll_delay: milliseconds(arguments.poll_delay_ms),
        lease_acquire_interval: milliseconds(arguments.lease_acquire_interval_ms),
        lease_expiration_interval: milliseconds(arguments.lease_expiration_interval_ms),
        lease_renew_interval: milliseconds(arguments.lease_renew_interval_ms),
        on_captured: arguments.print.then_some(print as fn(&[Change])),
    }
}

/// A line for each change.
fn print(changes: &[Change]) {
    for change in changes {
        let metadata = change.metadata.as_ref();
        let operation = match metadata.and_then(|metadata| Some((metadata.operation_type?, metadata))) {
            Some((_, metadata)) if metadata.time_to_live_expired == Some(true) => json!("expire"),
            Some((operation, _)) => json!(operation),
            None => json!("write"),
        };
        let id = change.current.as_ref().map(|document| document["id"].clone());
        let mut line = json!({
            "event": "change",
            "operation": operation,
            "id": id.or_else(|| Some(json!(metadata?.id))),
            "lsn": change.lsn(),
            "time": change.time(),
        });
        if let Some(Value::Object(document)) = &change.current {
            let own = document.iter().filter(|(name, _)| !name.starts_with('_'));
            line["document"] = own.map(|(name, value)| (name.clone(), value.clone())).collect();
        }
        // A reader that has gone away does not stop the capture.
        if let Err(error) = print_line(&line.to_string()) {
            log::warn!("a change could not be printed: {error}");
        }
    }
}
