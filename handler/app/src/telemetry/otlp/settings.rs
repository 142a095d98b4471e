//! The variables of OpenTelemetry that the library does not read, or reads without a word about a wrong value.

use std::time::Duration;

use anyhow::Result;
use opentelemetry_otlp::{
    OTEL_EXPORTER_OTLP_COMPRESSION, OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_EXPORTER_OTLP_PROTOCOL,
    OTEL_EXPORTER_OTLP_TIMEOUT, OTEL_EXPORTER_OTLP_TIMEOUT_DEFAULT,
};
use url::Url;

use crate::config::invalid;

/// What is exported.
pub struct Signals {
    pub traces: bool,
    pub logs: bool,
}

impl Signals {
    /// Reads the variables.
    ///
    /// # Errors
    /// When a variable of what is exported has a wrong value.
    pub fn of_environment() -> Result<Self> {
        let is_disabled = value("OTEL_SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true"));
        Ok(Self { traces: !is_disabled && is_exported("TRACES")?, logs: !is_disabled && is_exported("LOGS")? })
    }
}

/// Whether a collector is named for the signal, and the signal is not turned off.
fn is_exported(signal: &str) -> Result<bool> {
    if value(&format!("OTEL_{signal}_EXPORTER")).is_some_and(|value| value == "none") {
        return Ok(false);
    }
    let of_signal = |variable: &str| variable.replace("OTLP", &format!("OTLP_{signal}"));
    let first = |variable: &str| {
        let names = [of_signal(variable), variable.to_owned()];
        names.into_iter().find_map(|name| Some((value(&name)?, name)))
    };
    let Some((endpoint, name)) = first(OTEL_EXPORTER_OTLP_ENDPOINT) else { return Ok(false) };
    let url = Url::parse(&endpoint).ok().filter(|url| ["http", "https"].contains(&url.scheme()));
    if url.is_none() {
        return Err(invalid(&name, "URLs such as http://localhost:4318"));
    }
    for (variable, allowed) in
        [(OTEL_EXPORTER_OTLP_PROTOCOL, "http/protobuf"), (OTEL_EXPORTER_OTLP_COMPRESSION, "gzip")]
    {
        if let Some((_, name)) = first(variable).filter(|(value, _)| value != allowed) {
            return Err(invalid(&name, allowed));
        }
    }
    Ok(true)
}

/// How long a request may take.
pub fn timeout() -> Duration {
    let milliseconds = value(OTEL_EXPORTER_OTLP_TIMEOUT).and_then(|value| value.parse().ok());
    milliseconds.map_or(OTEL_EXPORTER_OTLP_TIMEOUT_DEFAULT, Duration::from_millis)
}

/// The name of the service, if the variable for it names one.
pub fn service_name() -> Option<String> {
    value("OTEL_SERVICE_NAME")
}

/// A variable's value. An empty value is the same as none.
fn value(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
