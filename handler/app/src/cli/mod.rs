//! The command line: one folder or file a subcommand, which holds its arguments too.

mod arguments;
mod backup;
mod budget_argument;
mod color;
mod command_groups;
mod confirm;
mod dead_letters;
mod digest;
mod doctor;
mod document_arguments;
mod erase;
mod execution_arguments;
mod exit_code;
mod field_arguments;
mod filter_help;
mod follow;
mod harmless;
mod history;
mod interrupt;
mod leases;
mod list;
#[cfg(feature = "local")]
mod local;
mod logging;
mod output;
mod populate;
mod process;
mod progress;
mod provision;
mod query;
#[cfg(feature = "local")]
mod reference;
mod rehome;
mod requester_arguments;
mod restore;
mod retention;
mod serve;
mod short_ids;
mod standard_error;
mod standard_output;
mod start_from;
mod status;
mod switch_mode;
mod table;
mod terminal;
mod time;
mod truncate;
mod verify;
mod version_argument;
mod window_arguments;

use std::process::ExitCode;

use self::arguments::{Arguments, Command};
use self::exit_code::Exit;
use self::standard_output::{OutputClosed, end_with_the_reader};
use crate::config::{DATABASE, MONITORED, Settings, Source, time_zone};
use crate::service::Service;
use anyhow::Result;
use changefeed_history::TimeZone;

/// Reads the arguments and runs the subcommand.
pub fn run() -> ExitCode {
    let arguments = Arguments::of_process();
    arguments.terminal.apply();
    let telemetry = logging::start(&arguments.command);
    if arguments.command.only_reads() {
        end_with_the_reader();
    }
    let (arguments, source) = match in_zone(arguments) {
        Ok(read) => read,
        Err(error) => {
            report(&error);
            return Exit::of_error(&error).into();
        }
    };
    time::print_interpretations();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            standard_error::error(format!("could not start the runtime: {error}"));
            return Exit::Failed.into();
        }
    };
    let exit = runtime.block_on(dispatch(arguments, &source)).unwrap_or_else(|error| {
        report(&error);
        Exit::of_error(&error)
    });
    telemetry.stop();
    exit.into()
}

/// Prints why a command ends. A reader that has closed the output knows it.
fn report(error: &anyhow::Error) {
    if !error.is::<OutputClosed>() {
        standard_error::error(format!("{error:#}"));
    }
}

/// Reads the settings' source, which may name the zone of times, and then the arguments again in that zone.
fn in_zone(arguments: Arguments) -> Result<(Arguments, Source)> {
    let source = match &arguments.settings {
        Some(path) => Source::environment().with_file(path)?,
        None => Source::environment(),
    };
    let source =
        source.with(DATABASE.name, arguments.database.as_ref()).with(MONITORED.name, arguments.monitored.as_ref());
    let zone = match arguments.time_zone {
        Some(zone) => zone,
        None => time_zone(&source)?.unwrap_or_else(TimeZone::of_machine),
    };
    time::set_zone(zone);
    Ok((Arguments::of_process(), source))
}

async fn dispatch(arguments: Arguments, source: &Source) -> Result<Exit> {
    let service = || Settings::read(source).map(Service::of_command);
    match arguments.command {
        Command::Serve(serve) => serve::run(Settings::read(source)?, &serve).await,
        #[cfg(feature = "local")]
        Command::Local(local) => Box::pin(local::run(local, source)).await,
        Command::Process(process) => Box::pin(process::run(service()?, process)).await,
        Command::Provision(provision) => provision::run(&service()?, &provision).await,
        Command::Populate(populate) => populate::run(&service()?, &populate).await,
        Command::Truncate(truncate) => truncate::run(&service()?, &truncate).await,
        Command::Query(query) => query::run(&service()?, &query).await,
        Command::History(history) => history::run(&service()?, &history).await,
        Command::Backup(backup) => Box::pin(backup::run(source, &backup)).await,
        Command::Restore(restore) => restore::run(&service()?, &restore).await,
        Command::DeadLetters(dead_letters) => dead_letters::run(&service()?, &dead_letters).await,
        Command::Digest(digest) => digest::run(&service()?, &digest).await,
        Command::Erase(erase) => erase::run(&service()?, &erase).await,
        Command::Rehome(rehome) => Box::pin(rehome::run(&service()?, &rehome)).await,
        Command::Retention(retention) => retention::run(&service()?, &retention).await,
        Command::Verify(verify) => verify::run(&service()?, &verify).await,
        Command::Status(status) => status::run(&service()?, &status).await,
        Command::Doctor(output) => doctor::run(&service()?, &output).await,
        Command::Leases(leases) => leases::run(&service()?, &leases).await,
        Command::SwitchMode(switch) => switch_mode::run(&service()?, &switch).await,
        #[cfg(feature = "local")]
        Command::Completions { shell } => reference::completions(shell),
        #[cfg(feature = "local")]
        Command::Manual { folder } => reference::manual(&folder),
    }
}
