//! The export over OTLP. Spans and lines of the log wait in bounded queues for threads of the library, which send them: no batch waits for the
//! collector, and a full queue drops what comes.

mod collector;
mod invocation;
mod logger;
mod settings;
mod span;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use opentelemetry::{KeyValue, global};
use opentelemetry_appender_log::OpenTelemetryLogBridge;
use opentelemetry_http::HttpClient;
use opentelemetry_otlp::{LogExporter, SpanExporter, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::logs::SdkLoggerProvider;
use opentelemetry_sdk::resource::{EnvResourceDetector, TelemetryResourceDetector};
use opentelemetry_sdk::trace::SdkTracerProvider;
use tokio::time::Instant;

use self::collector::Collector;
pub use self::invocation::Invocation;
use self::logger::Logger;
use self::settings::Signals;
pub use self::span::{count, failed, in_span, note, request_charge};

/// The time for what is in the queues when the process ends.
const FLUSH_DEADLINE: Duration = Duration::from_secs(3);

/// What is exported.
#[derive(Default)]
pub struct Telemetry {
    traces: Option<SdkTracerProvider>,
    logs: Option<SdkLoggerProvider>,
}

impl Telemetry {
    /// Starts the log, and the export of a service whose settings name a collector. A wrong setting is logged, and stops nothing. `instance`
    /// is the name of a service's process.
    pub fn start(logger: env_logger::Logger, instance: Option<String>) -> Self {
        let exporting = instance.map_or_else(|| Ok(Self::default()), Self::exporting);
        let (telemetry, problem) = match exporting {
            Ok(telemetry) => (telemetry, None),
            Err(error) => (Self::default(), Some(error)),
        };
        let level = logger.filter();
        let bridge = telemetry.logs.as_ref().map(OpenTelemetryLogBridge::new);
        if log::set_boxed_logger(Box::new(Logger { logger, bridge })).is_ok() {
            log::set_max_level(level);
        }
        if let Some(error) = problem {
            log::warn!("telemetry is not exported: {error:#}");
        }
        telemetry
    }

    fn exporting(instance: String) -> Result<Self> {
        let signals = Signals::of_environment()?;
        if !signals.traces && !signals.logs {
            return Ok(Self::default());
        }
        let collector: Arc<dyn HttpClient> = Arc::new(Collector::new(settings::timeout())?);
        let resource = resource(instance);
        let mut telemetry = Self::default();
        if signals.logs {
            let exporter =
                LogExporter::builder().with_http().with_shared_http_client(Arc::clone(&collector)).build()?;
            let logs =
                SdkLoggerProvider::builder().with_resource(resource.clone()).with_batch_exporter(exporter).build();
            telemetry.logs = Some(logs);
        }
        if signals.traces {
            let exporter = SpanExporter::builder().with_http().with_shared_http_client(collector).build()?;
            let traces = SdkTracerProvider::builder().with_resource(resource).with_batch_exporter(exporter).build();
            // Last, so that an error before leaves no export.
            global::set_tracer_provider(traces.clone());
            telemetry.traces = Some(traces);
        }
        Ok(telemetry)
    }

    /// Exports what is in the queues, within a deadline.
    pub fn stop(self) {
        let deadline = Instant::now() + FLUSH_DEADLINE;
        let left = || deadline.saturating_duration_since(Instant::now());
        let traces = self.traces.map_or(Ok(()), |traces| traces.shutdown_with_timeout(left()));
        let logs = self.logs.map_or(Ok(()), |logs| logs.shutdown_with_timeout(left()));
        if traces.and(logs).is_err() {
            log::warn!("telemetry of the last seconds was not exported within {} s", FLUSH_DEADLINE.as_secs());
        }
    }
}

/// Where the telemetry comes from, unless the variables of OpenTelemetry say something else.
fn resource(instance: String) -> Resource {
    let ours = [
        KeyValue::new("service.name", env!("CARGO_PKG_NAME")),
        KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
        KeyValue::new("service.instance.id", instance),
    ];
    let resource = Resource::builder_empty()
        .with_attributes(ours)
        .with_detectors(&[Box::new(TelemetryResourceDetector), Box::new(EnvResourceDetector::new())]);
    match settings::service_name() {
        Some(name) => resource.with_service_name(name).build(),
        None => resource.build(),
    }
}
