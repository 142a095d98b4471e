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
mod source;
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
use std::sync::Arc;

use self::arguments::{Arguments, Command};
use self::exit_code::Exit;
use self::standard_output::{OutputClosed, end_with_the_reader};
use crate::config::{DATABASE, MONITORED, RawSettings, SOURCES, Settings, time_zone};
use crate::service::Service;
use crate::sources::Sources;
use anyhow::{Result, bail};
use changefeed_history::TimeZone;

/// Reads the arguments and runs the subcommand.
pub fn run() -> ExitCode {
    let arguments = Arguments::of_process();
    arguments.terminal.apply();
    let telemetry = logging::start(&arguments.command);
    if arguments.command.only_reads() {
        end_with_the_reader();
    }
    let (arguments, settings) = match in_zone(arguments) {
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
    let exit = runtime.block_on(dispatch(arguments, &settings)).unwrap_or_else(|error| {
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

/// Reads the settings, which may name the zone of times, and then the arguments again in that zone.
fn in_zone(arguments: Arguments) -> Result<(Arguments, RawSettings)> {
    let raw = match &arguments.settings {
        Some(path) => RawSettings::environment().with_file(path)?,
        None => RawSettings::environment(),
    };
    let raw = raw.with(DATABASE.name, arguments.database.as_ref());
    // Where sources have names, the container is that of one of them, or of one that is added.
    let is_of_one = raw.get(SOURCES.name).is_some() || matches!(arguments.command, Command::Source(_));
    let monitored = arguments.monitored.as_ref().filter(|_| !is_of_one);
    let raw = raw.with(MONITORED.name, monitored);
    let zone = match arguments.time_zone {
        Some(zone) => zone,
        None => time_zone(&raw)?.unwrap_or_else(TimeZone::of_machine),
    };
    time::set_zone(zone);
    Ok((Arguments::of_process(), raw))
}

/// The sources that the arguments name; all if they name none.
fn sources(arguments: &Arguments, raw: &RawSettings) -> Result<Sources> {
    let sources = Sources::of_command(Settings::read(raw)?)?.only(&arguments.source)?;
    let Some(monitored) = arguments.monitored.as_ref().filter(|_| raw.get(SOURCES.name).is_some()) else {
        return Ok(sources);
    };
    let captures = |service: &&Arc<Service>| service.settings().names.monitored == *monitored;
    let Some(source) = sources.all().find(captures).map(|service| service.source().clone()) else {
        bail!("no source captures container {monitored}; name one with --source: {} has them", SOURCES.name);
    };
    Ok(sources.only(&[source])?)
}

async fn dispatch(arguments: Arguments, raw: &RawSettings) -> Result<Exit> {
    let sources = |arguments: &Arguments| sources(arguments, raw);
    let service = |arguments: &Arguments| anyhow::Ok(Arc::clone(sources(arguments)?.choose(None, "--source")?));
    match &arguments.command {
        Command::Serve(serve) => serve::run(Settings::read(raw)?, serve).await,
        #[cfg(feature = "local")]
        Command::Local(local) => Box::pin(local::run(local, raw)).await,
        Command::Process(process) => {
            let all = Sources::of_command(Settings::read(raw)?)?;
            let captured = all.only(&arguments.source)?;
            Box::pin(process::run(all, captured, process)).await
        }
        Command::Provision(provision) => provision::run(&sources(&arguments)?, provision).await,
        Command::Populate(populate) => populate::run(&*service(&arguments)?, populate).await,
        Command::Truncate(truncate) => truncate::run(&*service(&arguments)?, truncate).await,
        Command::Query(query) => query::run(&*service(&arguments)?, query).await,
        Command::History(history) => history::run(&*service(&arguments)?, history).await,
        Command::Backup(backup) => Box::pin(backup::run(raw, || service(&arguments), backup)).await,
        Command::Restore(restore) if arguments.source.len() > 1 => {
            Box::pin(restore::run_joint(&sources(&arguments)?, restore)).await
        }
        Command::Restore(restore) => restore::run(&*service(&arguments)?, restore).await,
        Command::DeadLetters(dead_letters) => dead_letters::run(&*service(&arguments)?, dead_letters).await,
        Command::Digest(digest) => digest::run(&*service(&arguments)?, digest).await,
        Command::Erase(erase) => erase::run(&*service(&arguments)?, erase).await,
        Command::Rehome(rehome) => Box::pin(rehome::run(&*service(&arguments)?, rehome)).await,
        Command::Retention(retention) => retention::run(&*service(&arguments)?, retention).await,
        Command::Verify(verify) => verify::run(&*service(&arguments)?, verify).await,
        Command::Status(status) => status::run(&sources(&arguments)?, status).await,
        Command::Doctor(output) => doctor::run(&sources(&arguments)?, output).await,
        Command::Leases(leases) => {
            let all = Sources::of_command(Settings::read(raw)?)?;
            leases::run(&all, &*service(&arguments)?, leases).await
        }
        Command::SwitchMode(switch) => switch_mode::run(&*service(&arguments)?, switch).await,
        Command::Source(command) => source::run(raw, arguments.monitored.as_ref(), command),
        #[cfg(feature = "local")]
        Command::Completions { shell } => reference::completions(*shell),
        #[cfg(feature = "local")]
        Command::Manual { folder } => reference::manual(folder),
    }
}
