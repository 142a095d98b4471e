//! The log of the process, and the same lines for the collector.

use log::{Log, Metadata, Record};
use opentelemetry_appender_log::OpenTelemetryLogBridge;
use opentelemetry_sdk::logs::{SdkLogger, SdkLoggerProvider};

/// Writes lines and passes them on. Both have the filter of the log.
pub struct Logger {
    pub logger: env_logger::Logger,
    pub bridge: Option<OpenTelemetryLogBridge<SdkLoggerProvider, SdkLogger>>,
}

impl Log for Logger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        self.logger.enabled(metadata)
    }

    fn log(&self, record: &Record<'_>) {
        self.logger.log(record);
        if let Some(bridge) = self.bridge.as_ref().filter(|_| self.logger.matches(record)) {
            bridge.log(record);
        }
    }

    fn flush(&self) {
        self.logger.flush();
    }
}
