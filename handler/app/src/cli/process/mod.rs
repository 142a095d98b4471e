//! `changefeed process`: capture and jobs on the change feed processor, until Ctrl-C or SIGTERM.

mod arguments;

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, bail};
use changefeed_processor::Change;
use serde_json::{Value, json};
use tokio::time::Instant;

pub use self::arguments::ProcessArguments;
use super::exit_code::Exit;
use super::interrupt::Interrupts;
use super::output::print_line;
use super::start_from::StartFrom;
use crate::process::{Health, HealthPort, ProcessOptions, Processing};
use crate::service::Service;
use crate::sources::Sources;

/// Stopping a process and its group sends two signals. Within this time they count as one.
const SIGNAL_INTERVAL: Duration = Duration::from_secs(2);

/// Captures until a signal arrives, then finishes batches in progress and releases the leases. A second signal stops at
/// once.
///
/// The instance captures some of the sources, and runs the jobs of all: which instance a job is delivered to does not depend on its source.
pub async fn run(all: Sources, sources: Sources, arguments: &ProcessArguments) -> Result<Exit> {
    sources.check_capture_rules().await?;
    let options = options(arguments);
    let mode = options.mode_of(sources.first());
    let modes: Vec<Value> = sources
        .all()
        .map(|service| json!({"source": service.source(), "mode": options.mode_of(service).to_string()}))
        .collect();
    let are_several = sources.are_several();
    let mut interrupts = Interrupts::listen()?;
    let health = Health::new(Arc::clone(sources.metrics()));
    // First, so that a port in use fails before any lease is acquired.
    let health_port = match arguments.health_port {
        Some(port) => Some(HealthPort::serve(arguments.health_address, port, &health)?),
        None => None,
    };
    let processing = Processing::start(&all, sources, options, &health, interrupts.next()).await?;
    let Some(processing) = processing else { return Ok(Exit::Done) };
    let mut ready = json!({"event": "ready", "instance": processing.instance_name(), "mode": mode.to_string()});
    if are_several {
        ready["sources"] = json!(modes);
    }
    if let Some(port) = &health_port {
        ready["health"] = json!(format!("http://{}", port.address()));
    }
    print_line(&ready.to_string())?;

    interrupts.next().await;
    let stopped_at = Instant::now();
    log::info!("stopping: finishing batches in progress, then releasing the leases");
    let again = async {
        while stopped_at.elapsed() < SIGNAL_INTERVAL {
            interrupts.next().await;
        }
    };
    tokio::select! {
        () = processing.stop(&health) => {}
        () = again => bail!("stopped at once: the leases expire, and batches in progress are delivered again"),
    }
    if let Some(port) = health_port {
        port.close().await;
    }
    Ok(Exit::Done)
}

fn options(arguments: &ProcessArguments) -> ProcessOptions {
    let milliseconds = |value: Option<u64>| value.map(Duration::from_millis);
    ProcessOptions {
        instance_name: arguments.instance.clone(),
        mode: arguments.mode,
        start_from: arguments.from.map(StartFrom::for_processor),
        max_items: arguments.max_items,
        poll_delay: milliseconds(arguments.poll_delay_ms),
        lease_acquire_interval: milliseconds(arguments.lease_acquire_interval_ms),
        lease_expiration_interval: milliseconds(arguments.lease_expiration_interval_ms),
        lease_renew_interval: milliseconds(arguments.lease_renew_interval_ms),
        on_captured: arguments.print.then_some(print as fn(&Service, &[Change])),
    }
}

/// Prints a line for each change.
fn print(service: &Service, changes: &[Change]) {
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
        if let Some(source) = service.named_source() {
            line["source"] = json!(source);
        }
        if let Some(Value::Object(document)) = &change.current {
            let own = document.iter().filter(|(name, _)| !name.starts_with('_'));
            line["document"] = own.map(|(name, value)| (name.clone(), value.clone())).collect();
        }
        // A closed pipe must not stop the capture.
        if let Err(error) = print_line(&line.to_string()) {
            log::warn!("could not print a change: {error}");
        }
    }
}
