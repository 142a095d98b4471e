//! A build without the export.

use actix_web::dev::ServiceRequest;

/// Variables that name a collector.
const ENDPOINTS: [&str; 3] =
    ["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT"];

/// Nothing is exported.
pub struct Telemetry;

impl Telemetry {
    /// Starts the log. A service that should export says that this build cannot. `instance` is the name of a service's process.
    pub fn start(logger: env_logger::Logger, instance: Option<String>) -> Self {
        let level = logger.filter();
        if log::set_boxed_logger(Box::new(logger)).is_ok() {
            log::set_max_level(level);
        }
        let set = ENDPOINTS.into_iter().find(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty()));
        if let Some(name) = set.filter(|_| instance.is_some()) {
            log::warn!(
                "{name} is set, but this build exports no telemetry; use one with the feature otlp, such as that of CHANGEFEED_FEATURES=otlp scripts/package"
            );
        }
        Self
    }

    pub fn stop(self) {}
}

/// The invocation of a function.
pub struct Invocation;

impl Invocation {
    pub fn of(_: &ServiceRequest, _: Option<&str>) -> Self {
        Self
    }

    pub fn around<F: Future>(self, answer: F) -> F {
        answer
    }
}

pub fn in_span<F: Future>(_: &'static str, work: F) -> F {
    work
}

pub fn note(_: &'static str, _: &str) {}

pub fn count(_: &'static str, _: u64) {}

pub fn request_charge(_: f64) {}

pub fn failed() {}
