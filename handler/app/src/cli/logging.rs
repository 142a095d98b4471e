//! The log: where it goes, which lines it has, and their form.

use std::io::Write;

use changefeed_cosmos::{COMMAND_LOG_FILTER, SERVING_LOG_FILTER};
use chrono::{SecondsFormat, Utc};
use serde_json::{Value, json};

use super::arguments::Command;
use super::standard_error;
use crate::config::{LOG_FORMAT, LogFormat, RUST_LOG, invalid};
use crate::jobs::worker;
use crate::telemetry::Telemetry;

/// `serve` logs to standard output without times, because the host reports standard error as errors and adds times
/// itself. Other commands log to standard error, because standard output is their answer. The commands that serve and process export
/// their telemetry.
pub fn start(command: &Command) -> Telemetry {
    let serving = format!("info,actix_server=warn,{SERVING_LOG_FILTER}");
    let command_filter = format!("warn,{COMMAND_LOG_FILTER}");
    let (target, filter) = match command {
        Command::Serve(_) => (env_logger::Target::Stdout, serving),
        #[cfg(feature = "local")]
        Command::Local(_) => (env_logger::Target::Stderr, serving),
        Command::Process(_) => (env_logger::Target::Stderr, serving),
        _ => (env_logger::Target::Stderr, command_filter),
    };
    let mut builder = env_logger::Builder::new();
    let is_parsed = match std::env::var(RUST_LOG.name) {
        // The logger would print an invalid value, which could be a secret.
        Ok(text) => env_filter::Builder::new().try_parse(&text).map(|_| builder.parse_filters(&text)).is_ok(),
        Err(std::env::VarError::NotPresent) => {
            builder.parse_filters(&filter);
            true
        }
        Err(std::env::VarError::NotUnicode(_)) => false,
    };
    if !is_parsed {
        let allowed = "log levels in the syntax of env_logger, such as info,changefeed=debug";
        standard_error::warning(format!("{:#}; using {filter}", invalid(RUST_LOG.name, allowed)));
        builder.parse_filters(&filter);
    }
    if matches!(command, Command::Serve(_)) {
        builder.format_timestamp(None);
    }
    match std::env::var(LOG_FORMAT.name).as_deref().map(str::parse) {
        Ok(Ok(LogFormat::Json)) => {
            builder.format(|output, record| writeln!(output, "{}", json_line(record)));
        }
        // The settings are checked later, unless the command needs none.
        Ok(Ok(LogFormat::Text) | Err(())) | Err(_) => {}
    }
    let is_service = matches!(command, Command::Serve(_) | Command::Process(_));
    Telemetry::start(builder.target(target).build(), is_service.then(worker))
}

/// A line as a JSON object.
fn json_line(record: &log::Record<'_>) -> Value {
    json!({
        "time": Utc::now().to_rfc3339_opts(SecondsFormat::Millis, true),
        "level": record.level().as_str().to_lowercase(),
        "target": record.target(),
        "message": record.args().to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_several_lines_with_quotes_is_one_json_object() {
        let arguments = format_args!("lease \"0\":\n\u{1b}[31mred").to_string();
        let record = format!(
            "{}",
            json_line(
                &log::Record::builder().args(format_args!("{arguments}")).level(log::Level::Warn).target("a").build()
            )
        );
        assert!(!record.contains('\n') && !record.contains('\u{1b}'), "{record}");
        let line: Value = serde_json::from_str(&record).expect("JSON");
        assert_eq!((&line["level"], &line["message"]), (&json!("warn"), &json!(arguments)));
    }
}
