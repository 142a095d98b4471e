//! function.json: what starts a function.

use std::num::NonZeroU32;
use std::path::Path;
use std::time::Duration;

use changefeed_processor::{ChangeFeedMode, StartFrom};
use chrono::{DateTime, NaiveDateTime, Utc};

use super::fields::Fields;
use super::retry_policy::RetryPolicy;
use super::schedule::{self, Schedule};
use super::settings::Settings;
use crate::error::HostError;

#[derive(Debug)]
pub(crate) struct Function {
    /// The folder's name.
    pub name: String,
    pub trigger: Trigger,
    pub retry: Option<RetryPolicy>,
}

#[derive(Debug)]
pub(crate) enum Trigger {
    Cosmos(Box<CosmosTrigger>),
    Http(HttpTrigger),
    Timer(TimerTrigger),
}

#[derive(Debug)]
pub(crate) struct CosmosTrigger {
    /// The binding's name, which is the key in `Data`.
    pub name: String,
    /// The name that the file gives the connection, for messages.
    pub connection: String,
    pub connection_string: String,
    pub database: String,
    pub container: String,
    pub lease_connection_string: String,
    pub lease_database: String,
    pub lease_container: String,
    pub create_lease_container: bool,
    pub lease_prefix: String,
    pub poll_delay: Option<Duration>,
    pub lease_acquire_interval: Option<Duration>,
    pub lease_expiration_interval: Option<Duration>,
    pub lease_renew_interval: Option<Duration>,
    pub max_items: Option<NonZeroU32>,
    pub start_from: StartFrom,
    pub mode: ChangeFeedMode,
}

#[derive(Debug)]
pub(crate) struct HttpTrigger {
    pub route: String,
    /// Upper case; `None` is every method.
    pub methods: Option<Vec<String>>,
    pub auth_level: AuthLevel,
}

#[derive(Debug)]
pub(crate) struct TimerTrigger {
    /// The binding's name, which is the key in `Data`.
    pub name: String,
    pub schedule: Schedule,
    pub run_on_startup: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AuthLevel {
    Anonymous,
    Key,
}

impl Function {
    /// `None` for a function that this host cannot run, which is logged.
    pub(crate) fn read(folder: &Path, file: &Path, settings: &Settings) -> Result<Option<Self>, HostError> {
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let root = Fields::read(file)?;
        if !is_function_name(&name) {
            return Err(root.wrong("the folder's name", "a letter, then letters, digits, - and _"));
        }
        let mut bindings = Vec::new();
        for binding in root.sections("bindings")? {
            bindings.push((binding.required_text("type")?.to_lowercase(), direction(&binding)?, binding));
        }
        let outputs: Vec<&str> =
            bindings.iter().filter(|(_, input, _)| !input).map(|(kind, ..)| kind.as_str()).collect();
        let only_http_output = outputs == ["http"];
        let inputs = bindings.iter().filter(|(_, input, _)| *input).count();

        let is_trigger = |(kind, ..): &(String, bool, Fields)| kind.ends_with("trigger");
        let Some(position) = bindings.iter().position(is_trigger) else {
            return Err(root.wrong("bindings", "an array with a trigger"));
        };
        let (kind, _, binding) = bindings.swap_remove(position);
        let binding = binding.with_texts(|text| settings.resolve(text))?;
        let trigger = match kind.as_str() {
            "cosmosdbtrigger" => Trigger::Cosmos(Box::new(CosmosTrigger::of(&binding, &name, settings)?)),
            "timertrigger" => Trigger::Timer(TimerTrigger::of(&binding)?),
            "httptrigger" if only_http_output && inputs == 1 => Trigger::Http(HttpTrigger::of(&binding, &name)?),
            "httptrigger" => {
                log::warn!("function {name} is left out: the stand-in host needs an httpTrigger and one http output");
                return Ok(None);
            }
            other => {
                log::warn!("function {name} is left out: the stand-in host has no {other}");
                return Ok(None);
            }
        };
        let retry = root.section("retry")?.as_ref().map(RetryPolicy::of).transpose()?;
        Ok(Some(Self { name, trigger, retry }))
    }
}

impl CosmosTrigger {
    fn of(binding: &Fields, function: &str, settings: &Settings) -> Result<Self, HostError> {
        let or = |name, default: &str| {
            binding.text(name).map(|text| text.filter(|text| !text.is_empty()).unwrap_or_else(|| default.to_owned()))
        };
        let connection = or("connection", "CosmosDB")?;
        let lease_connection = or("leaseConnection", &connection)?;
        let connection_string = |name: &str| {
            settings.connection_string(name).map_err(|problem| HostError::Connection {
                function: function.to_owned(),
                connection: name.to_owned(),
                problem,
            })
        };
        // Zero and less mean the default, as in the trigger's listener.
        let milliseconds = |name| {
            let positive = |value: i64| u64::try_from(value).ok().filter(|value| *value > 0);
            binding.integer(name).map(|value| value.and_then(positive).map(Duration::from_millis))
        };
        let database = binding.required_text("databaseName")?;
        let max_items = binding.integer("maxItemsPerInvocation")?.unwrap_or_default().max(0);
        only_text(binding)?;
        Ok(Self {
            name: binding.required_text("name")?,
            connection_string: connection_string(&connection)?,
            container: binding.required_text("containerName")?,
            lease_connection_string: connection_string(&lease_connection)?,
            lease_database: or("leaseDatabaseName", &database)?,
            lease_container: or("leaseContainerName", "leases")?,
            create_lease_container: binding.flag("createLeaseContainerIfNotExists")?.unwrap_or(false),
            lease_prefix: or("leaseContainerPrefix", "")?,
            poll_delay: milliseconds("feedPollDelay")?,
            lease_acquire_interval: milliseconds("leaseAcquireInterval")?,
            lease_expiration_interval: milliseconds("leaseExpirationInterval")?,
            lease_renew_interval: milliseconds("leaseRenewInterval")?,
            max_items: NonZeroU32::new(u32::try_from(max_items).unwrap_or(u32::MAX)),
            start_from: start_from(binding)?,
            mode: mode(binding)?,
            connection,
            database,
        })
    }
}

impl HttpTrigger {
    fn of(binding: &Fields, function: &str) -> Result<Self, HostError> {
        let level = binding.choice(
            "authLevel",
            &[("anonymous", AuthLevel::Anonymous), ("function", AuthLevel::Key), ("admin", AuthLevel::Key)],
        )?;
        let route = binding.text("route")?.filter(|route| !route.is_empty());
        let upper_case = |methods: Vec<String>| methods.iter().map(|method| method.to_uppercase()).collect();
        Ok(Self {
            route: route.unwrap_or_else(|| function.to_owned()),
            methods: binding.texts("methods")?.map(upper_case),
            auth_level: level.unwrap_or(AuthLevel::Key),
        })
    }
}

impl TimerTrigger {
    fn of(binding: &Fields) -> Result<Self, HostError> {
        let schedule = Schedule::parse(&binding.required_text("schedule")?);
        Ok(Self {
            name: binding.required_text("name")?,
            schedule: schedule.ok_or_else(|| binding.wrong("schedule", schedule::SYNTAX))?,
            run_on_startup: binding.flag("runOnStartup")?.unwrap_or(false),
        })
    }
}

/// Whether a binding is an input.
fn direction(binding: &Fields) -> Result<bool, HostError> {
    let input = binding.choice("direction", &[("in", true), ("out", false), ("inout", true)])?;
    Ok(input.unwrap_or(true))
}

fn mode(binding: &Fields) -> Result<ChangeFeedMode, HostError> {
    use ChangeFeedMode::{AllVersionsAndDeletes, LatestVersion};
    let modes = [
        ("LatestVersion", LatestVersion),
        ("0", LatestVersion),
        ("AllVersionsAndDeletes", AllVersionsAndDeletes),
        ("1", AllVersionsAndDeletes),
    ];
    Ok(binding.choice("changeFeedMode", &modes)?.unwrap_or_default())
}

/// The trigger binds a batch to a text; asked for anything else, the real one does not work.
fn only_text(binding: &Fields) -> Result<(), HostError> {
    if binding.text("cardinality")?.is_some_and(|cardinality| !cardinality.eq_ignore_ascii_case("one")) {
        return Err(binding.wrong("cardinality", "nothing: a custom handler gets a batch as a text"));
    }
    if binding.text("dataType")?.is_some_and(|data_type| !data_type.eq_ignore_ascii_case("string")) {
        return Err(binding.wrong("dataType", "nothing: a custom handler gets a batch as a text"));
    }
    Ok(())
}

fn start_from(binding: &Fields) -> Result<StartFrom, HostError> {
    let from_beginning = binding.flag("startFromBeginning")?.unwrap_or(false);
    let Some(text) = binding.text("startFromTime")?.filter(|text| !text.is_empty()) else {
        return Ok(if from_beginning { StartFrom::Beginning } else { StartFrom::Now });
    };
    if from_beginning {
        return Err(binding.wrong("startFromTime", "nothing, because startFromBeginning is true"));
    }
    let unzoned = || text.parse::<NaiveDateTime>().map(|time| time.and_utc());
    let time = DateTime::parse_from_rfc3339(&text).map(|time| time.with_timezone(&Utc)).or_else(|_| unzoned());
    time.map(StartFrom::Time).map_err(|_| binding.wrong("startFromTime", "a time such as 2021-02-16T14:19:29Z"))
}

fn is_function_name(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_alphabetic())
        && name.len() <= 128
        && name.chars().all(|character| character.is_ascii_alphanumeric() || matches!(character, '-' | '_'))
}

#[cfg(test)]
mod tests;
