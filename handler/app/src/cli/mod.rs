//! The command line. Exit codes: 0 done, 1 failed, 2 usage, 3 done with conflicts or damage found.

mod arguments;
mod backup;
mod backup_arguments;
mod backup_verify;
mod confirm;
mod dead_letters;
mod dead_letters_arguments;
mod follow;
mod history;
mod interrupt;
mod leases;
mod leases_arguments;
#[cfg(feature = "local")]
mod local;
mod output;
mod populate;
mod process;
mod progress;
mod provision;
mod query;
mod restore;
mod restore_job;
mod retention;
mod status;
mod truncate;
mod verify;
mod verify_arguments;

use std::process::ExitCode;

use anyhow::{Context, Result};
use changefeed_cosmos::{COMMAND_LOG_FILTER, SERVING_LOG_FILTER};
use clap::Parser;

use crate::config::{Settings, Source};
use crate::http::serve;
use crate::service::Service;
use arguments::{Arguments, Command};

/// The exit code for arguments that do not go together; clap's own.
const USAGE: u8 = 2;

/// Arguments that do not go together.
#[derive(Debug)]
struct UsageError(&'static str);

impl std::fmt::Display for UsageError {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.0)
    }
}

impl std::error::Error for UsageError {}

/// Reads the arguments and runs the subcommand.
pub fn run() -> ExitCode {
    let arguments = Arguments::parse();
    start_logging(&arguments.command);
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: no runtime: {error}");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(dispatch(arguments)) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            if error.is::<UsageError>() { ExitCode::from(USAGE) } else { ExitCode::FAILURE }
        }
    }
}

/// The handler logs to stdout, because the host reports what is on stderr as errors; it leaves the time to the host.
/// Commands leave stdout to their answer, and log only what went wrong unless `RUST_LOG` asks for more.
fn start_logging(command: &Command) {
    let serving = format!("info,actix_server=warn,{SERVING_LOG_FILTER}");
    let command_filter = format!("warn,{COMMAND_LOG_FILTER}");
    let (target, filter) = match command {
        Command::Serve(_) => (env_logger::Target::Stdout, serving),
        #[cfg(feature = "local")]
        Command::Local(_) => (env_logger::Target::Stderr, serving),
        Command::Process(_) => (env_logger::Target::Stderr, serving),
        _ => (env_logger::Target::Stderr, command_filter),
    };
    let mut builder = env_logger::Builder::from_env(env_logger::Env::default().default_filter_or(filter));
    if matches!(command, Command::Serve(_)) {
        builder.format_timestamp(None);
    }
    builder.target(target).init();
}

async fn dispatch(arguments: Arguments) -> Result<ExitCode> {
    let source = match &arguments.settings {
        Some(path) => Source::environment().with_file(path)?,
        None => Source::environment(),
    };
    let service = || Settings::read(&source).map(Service::of_command);
    match arguments.command {
        Command::Serve(serve_arguments) => {
            let settings = Settings::read(&source)?;
            let port = serve_arguments.port.unwrap_or(settings.port);
            serve(Service::new(settings), port).await.context("serving")?;
        }
        #[cfg(feature = "local")]
        Command::Local(local) => return local::run(local, &source).await,
        Command::Process(process) => process::run(service()?, process).await?,
        Command::Provision(provision) => provision::run(&service()?, &provision).await?,
        Command::Populate(populate) => populate::run(&service()?, &populate).await?,
        Command::Truncate(truncate) => truncate::run(&service()?, &truncate).await?,
        Command::Query(query) => query::run(&service()?, &query).await?,
        Command::History(history) => history::run(&service()?, &history).await?,
        Command::Backup(backup) => return backup::run(&source, &backup).await,
        Command::Restore(restore) => return restore::run(&service()?, &restore).await,
        Command::DeadLetters(dead_letters) => return dead_letters::run(&service()?, &dead_letters).await,
        Command::Retention(retention) => retention::run(&service()?, &retention).await?,
        Command::Verify(verify) => return verify::run(&service()?, &verify).await,
        Command::Status(status) => return status::run(&service()?, &status).await,
        Command::Leases(leases) => leases::run(&service()?, &leases).await?,
    }
    Ok(ExitCode::SUCCESS)
}
