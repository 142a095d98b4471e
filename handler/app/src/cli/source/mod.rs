//! `changefeed source`: the sources of a function app: the folders of their triggers, and the lines of settings.
//!
//! Nothing is sent to Azure: the folders are deployed with the app, and the settings are set by its operator.

mod arguments;
mod trigger;

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context, Result, bail};
use changefeed_cosmos::SourceName;
use serde::Serialize;
use serde_json::json;

pub use self::arguments::SourceCommand;
use self::arguments::{AddArguments, FolderArguments};
pub use self::trigger::TriggerOf;
use super::exit_code::Exit;
use super::list::{ListItem, ListOutput, print_list};
use super::output::print_line;
use super::table::{Cell, Column};
use crate::config::{RawSettings, SOURCES, SourceSettings, setting_of, source_names};
use crate::feed::Feed;

/// Adds, lists or removes sources. `monitored` is the container of a source that is added.
pub fn run(raw: &RawSettings, monitored: Option<&String>, command: &SourceCommand) -> Result<Exit> {
    match command {
        SourceCommand::Add(arguments) => add(raw, monitored, arguments),
        SourceCommand::List { folder, output } => list(raw, folder, output),
        SourceCommand::Remove { name, folder } => remove(raw, name, folder),
    }
}

/// The sources as the settings name them. An app without names has the source `default`.
fn named(raw: &RawSettings) -> Result<Vec<SourceName>> {
    let names = source_names(raw)?;
    Ok(if names.is_empty() { vec![SourceName::default()] } else { names })
}

/// These sources, and those that have folders in the app: they were added, and the setting was not set yet.
fn named_or_added(raw: &RawSettings, folder: &FolderArguments) -> Result<Vec<SourceName>> {
    let mut names = named(raw)?;
    let added = in_folders(&folder.script_root);
    names.extend(added.into_iter().filter(|name| !names.contains(name)).collect::<Vec<_>>());
    Ok(names)
}

fn add(raw: &RawSettings, monitored: Option<&String>, arguments: &AddArguments) -> Result<Exit> {
    let name = &arguments.name;
    let mut names = named_or_added(raw, &arguments.folder)?;
    if !names.contains(name) {
        names.push(name.clone());
    }
    let given = arguments.settings(monitored);
    let raw =
        given.iter().fold(raw.clone(), |raw, (property, value)| raw.with(&setting_of(name, property), value.as_ref()));
    let settings = SourceSettings::named(&raw, name)?;
    check_containers(&raw, &names)?;
    if !name.is_default() {
        for feed in Feed::CAPTURED {
            let file = TriggerOf::of(&settings, feed).write(&arguments.folder.script_root, &feed.function_of(name))?;
            print_line(&format!("wrote {}", file.display()))?;
        }
    }
    let own = given.into_iter().filter_map(|(property, value)| Some((setting_of(name, property), value?)));
    let other = Feed::CAPTURED.into_iter().find(|feed| feed.mode() != settings.mode);
    let disabled = other.map(|feed| (disabled(&feed.function_of(name)), "true".to_owned()));
    print_settings([(SOURCES.name.to_owned(), joined(&names))].into_iter().chain(own).chain(disabled))?;
    print_line("Then create the containers with: changefeed provision")?;
    Ok(Exit::Done)
}

/// Two sources never share a container.
fn check_containers(raw: &RawSettings, names: &[SourceName]) -> Result<()> {
    let mut containers: Vec<(String, SourceName)> = Vec::new();
    for name in names {
        let SourceSettings { monitored, changes, .. } = SourceSettings::named(raw, name)?;
        for container in [monitored, changes] {
            if let Some((_, other)) = containers.iter().find(|(taken, _)| *taken == container) {
                bail!(
                    "container {container} would be of source {other} and of source {name}; name another one with --monitored or --changes"
                );
            }
            containers.push((container, name.clone()));
        }
    }
    Ok(())
}

fn remove(raw: &RawSettings, name: &SourceName, folder: &FolderArguments) -> Result<Exit> {
    let names = named_or_added(raw, folder)?;
    let rest: Vec<SourceName> = names.iter().filter(|other| *other != name).cloned().collect();
    if rest.len() == names.len() {
        bail!("unknown source {name}; the sources are {}", joined(&names));
    }
    if rest.is_empty() {
        bail!("{name} is the only source; an app captures at least one");
    }
    let mut lines = vec![(SOURCES.name.to_owned(), joined(&rest))];
    for function in Feed::CAPTURED.map(|feed| feed.function_of(name)) {
        if name.is_default() {
            // Its folders are those of an app without names.
            lines.push((disabled(&function), "true".to_owned()));
            continue;
        }
        let path = folder.script_root.join(&function);
        match std::fs::remove_dir_all(&path) {
            Ok(()) => print_line(&format!("removed {}", path.display()))?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(error).with_context(|| format!("removing {}", path.display())),
        }
    }
    print_settings(lines)?;
    print_line(&format!(
        "The containers of {name} are left, and its leases. Jobs of it that have not ended wait until it is added again."
    ))?;
    Ok(Exit::Done)
}

/// The sources that have folders of triggers in an app, sorted.
fn in_folders(app: &Path) -> BTreeSet<SourceName> {
    let entries = std::fs::read_dir(app).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let source = |folder: String| {
        let of_feed = |feed: Feed| folder.strip_prefix(feed.function())?.strip_prefix('_')?.parse().ok();
        Feed::CAPTURED.into_iter().find_map(of_feed)
    };
    names.filter_map(source).collect()
}

fn disabled(function: &str) -> String {
    format!("AzureWebJobs.{function}.Disabled")
}

fn joined(names: &[SourceName]) -> String {
    names.iter().map(SourceName::as_str).collect::<Vec<_>>().join(",")
}

fn print_settings(lines: impl IntoIterator<Item = (String, String)>) -> Result<()> {
    print_line("Settings of the app:")?;
    for (name, value) in lines {
        print_line(&format!("  {name}={value}"))?;
    }
    Ok(())
}

/// A source as it is listed.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ListedSource {
    name: SourceName,
    monitored: String,
    changes: String,
    mode: String,
    lease_prefix: String,
    /// The function that the host calls in this mode.
    function: String,
    /// What is wrong with its folder; absent if nothing is, and where no folder of an app is looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
}

fn list(raw: &RawSettings, folder: &FolderArguments, output: &ListOutput) -> Result<Exit> {
    let mut listed = Vec::new();
    let named = named(raw)?;
    for name in named_or_added(raw, folder)? {
        let settings = SourceSettings::named(raw, &name)?;
        let feed = Feed::captured_in(settings.mode);
        let (trigger, function) = (TriggerOf::of(&settings, feed), feed.function_of(&name));
        let is_looked_at = !name.is_default() && is_app(&folder.script_root);
        let problem = match is_looked_at {
            true if !named.contains(&name) => Some(format!("{} does not name it", SOURCES.name)),
            true => trigger.differs_from(&folder.script_root, &function),
            false => None,
        };
        listed.push(ListedSource {
            name,
            monitored: settings.monitored.clone(),
            changes: settings.changes.clone(),
            mode: settings.mode.to_string(),
            lease_prefix: trigger.lease_prefix.to_owned(),
            function,
            problem,
        });
    }
    print_list(output.format, &json!({ "items": listed }), &listed)?;
    Ok(if listed.iter().any(|source| source.problem.is_some()) { Exit::Found } else { Exit::Done })
}

fn is_app(folder: &Path) -> bool {
    folder.join("host.json").is_file()
}

impl ListItem for ListedSource {
    const CSV: &'static [&'static str] =
        &["name", "monitored", "changes", "mode", "leasePrefix", "function", "problem"];

    fn columns() -> Vec<Column> {
        vec![
            Column::fixed("Source"),
            Column::text("Monitored"),
            Column::text("Changes"),
            Column::fixed("Mode").optional(1),
            Column::text("Function"),
            Column::text("State"),
        ]
    }

    fn cells(&self) -> Vec<Cell> {
        let state = self.problem.as_ref().map_or_else(|| "ok".to_owned(), |problem| format!("PROBLEM: {problem}"));
        vec![
            self.name.to_string().into(),
            self.monitored.clone().into(),
            self.changes.clone().into(),
            self.mode.clone().into(),
            self.function.clone().into(),
            Cell::state(state),
        ]
    }
}
