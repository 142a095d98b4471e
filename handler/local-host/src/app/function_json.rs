//! function.json: the trigger of a function and its retry policy.

use std::num::NonZeroU32;
use std::path::Path;
use std::time::Duration;

use changefeed_processor::{ChangeFeedMode, StartFrom};
use chrono::{DateTime, NaiveDateTime, Utc};

use super::fields::Fields;
use super::retry_policy::RetryPolicy;
use super::schedule::{self, Schedule};
use super::settings::{ConnectionString, Settings};
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
    /// The binding's name, which is the key in `Data` of an invocation.
    pub name: String,
    /// The connection's name, for error messages.
    pub connection: String,
    pub connection_string: ConnectionString,
    pub database: String,
    pub container: String,
    pub lease_connection_string: ConnectionString,
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
    /// The name of the trigger's binding.
    pub name: String,
    /// The name of the output.
    pub output: String,
    pub route: String,
    /// Upper case; `None` is every method.
    pub methods: Option<Vec<String>>,
    pub auth_level: AuthLevel,
}

#[derive(Debug)]
pub(crate) struct TimerTrigger {
    /// The binding's name, which is the key in `Data` of an invocation.
    pub name: String,
    pub schedule: Schedule,
    pub run_on_startup: bool,
    /// Whether the function receives the status of the schedule.
    pub use_monitor: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AuthLevel {
    Anonymous,
    /// A function key, a host key or the master key.
    Function,
    /// The master key.
    Admin,
}

impl Function {
    /// `None` for a function that this host does not support, with a warning in the log.
    pub(crate) fn read(folder: &Path, file: &Path, settings: &Settings) -> Result<Option<Self>, HostError> {
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let root = Fields::read(file)?;
        if !is_function_name(&name) {
            return Err(root.invalid("the folder's name", "a letter, then letters, digits, - and _"));
        }
        let mut bindings = Vec::new();
        for binding in root.sections("bindings")? {
            bindings.push((binding.required_string("type")?.to_lowercase(), is_input(&binding)?, binding));
        }
        let outputs: Vec<&str> =
            bindings.iter().filter(|(_, is_input, _)| !is_input).map(|(kind, ..)| kind.as_str()).collect();
        let only_http_output = outputs == ["http"];
        let inputs = bindings.iter().filter(|(_, is_input, _)| *is_input).count();

        let is_trigger = |(kind, ..): &(String, bool, Fields)| kind.ends_with("trigger");
        let Some(position) = bindings.iter().position(is_trigger) else {
            return Err(root.invalid("bindings", "an array with a trigger"));
        };
        let (kind, _, binding) = bindings.swap_remove(position);
        let binding = binding.map_strings(|text| settings.resolve(text))?;
        let trigger = match kind.as_str() {
            "cosmosdbtrigger" => Trigger::Cosmos(Box::new(CosmosTrigger::from_fields(&binding, &name, settings)?)),
            "timertrigger" => Trigger::Timer(TimerTrigger::from_fields(&binding)?),
            "httptrigger" if only_http_output && inputs == 1 => {
                let output = bindings.iter().find(|(kind, ..)| kind == "http").map(|(.., output)| output);
                let output = output.map(|output| output.required_string("name")).transpose()?.unwrap_or_default();
                Trigger::Http(HttpTrigger::from_fields(&binding, &name, output)?)
            }
            "httptrigger" => {
                log::warn!(
                    "skipping function {name}: the stand-in host supports an httpTrigger only with exactly one output of type http"
                );
                return Ok(None);
            }
            other => {
                log::warn!("skipping function {name}: the stand-in host does not support {other}");
                return Ok(None);
            }
        };
        let retry = root.section("retry")?.as_ref().map(RetryPolicy::from_fields).transpose()?;
        Ok(Some(Self { name, trigger, retry }))
    }
}

impl CosmosTrigger {
    fn from_fields(binding: &Fields, function: &str, settings: &Settings) -> Result<Self, HostError> {
        let string_or = |name, default: &str| {
            binding.string(name).map(|text| text.filter(|text| !text.is_empty()).unwrap_or_else(|| default.to_owned()))
        };
        let connection = string_or("connection", "CosmosDB")?;
        let lease_connection = string_or("leaseConnection", &connection)?;
        let connection_string = |name: &str| {
            settings.connection_string(name).map_err(|problem| HostError::Connection {
                function: function.to_owned(),
                connection: name.to_owned(),
                problem,
            })
        };
        // Zero and negative values mean the default, as in the real trigger.
        let milliseconds = |name| {
            let positive = |value: i64| u64::try_from(value).ok().filter(|value| *value > 0);
            binding.integer(name).map(|value| value.and_then(positive).map(Duration::from_millis))
        };
        let database = binding.required_string("databaseName")?;
        let max_items = binding.integer("maxItemsPerInvocation")?.unwrap_or_default().max(0);
        reject_other_types(binding)?;
        Ok(Self {
            name: binding.required_string("name")?,
            connection_string: connection_string(&connection)?,
            container: binding.required_string("containerName")?,
            lease_connection_string: connection_string(&lease_connection)?,
            lease_database: string_or("leaseDatabaseName", &database)?,
            lease_container: string_or("leaseContainerName", "leases")?,
            create_lease_container: binding.boolean("createLeaseContainerIfNotExists")?.unwrap_or(false),
            lease_prefix: string_or("leaseContainerPrefix", "")?,
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
    fn from_fields(binding: &Fields, function: &str, output: String) -> Result<Self, HostError> {
        let level = binding.choice(
            "authLevel",
            &[("anonymous", AuthLevel::Anonymous), ("function", AuthLevel::Function), ("admin", AuthLevel::Admin)],
        )?;
        let route = binding.string("route")?.filter(|route| !route.is_empty());
        let upper_case = |methods: Vec<String>| methods.iter().map(|method| method.to_uppercase()).collect();
        Ok(Self {
            name: binding.required_string("name")?,
            output,
            route: route.unwrap_or_else(|| function.to_owned()),
            methods: binding.strings("methods")?.map(upper_case),
            auth_level: level.unwrap_or(AuthLevel::Function),
        })
    }
}

impl TimerTrigger {
    fn from_fields(binding: &Fields) -> Result<Self, HostError> {
        let schedule = Schedule::parse(&binding.required_string("schedule")?);
        Ok(Self {
            name: binding.required_string("name")?,
            schedule: schedule.ok_or_else(|| binding.invalid("schedule", schedule::SYNTAX))?,
            run_on_startup: binding.boolean("runOnStartup")?.unwrap_or(false),
            use_monitor: binding.boolean("useMonitor")?.unwrap_or(true),
        })
    }
}

fn is_input(binding: &Fields) -> Result<bool, HostError> {
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
    if binding.is_replaced("changeFeedMode") {
        let allowed =
            "LatestVersion, AllVersionsAndDeletes, because the real trigger does not resolve app settings here";
        return Err(binding.invalid("changeFeedMode", allowed));
    }
    Ok(binding.choice("changeFeedMode", &modes)?.unwrap_or_default())
}

/// The real trigger binds a batch to a string, and fails with any other cardinality or type.
fn reject_other_types(binding: &Fields) -> Result<(), HostError> {
    if binding.string("cardinality")?.is_some_and(|cardinality| !cardinality.eq_ignore_ascii_case("one")) {
        return Err(binding.invalid("cardinality", "nothing, because a custom handler receives a batch as a string"));
    }
    if binding.string("dataType")?.is_some_and(|data_type| !data_type.eq_ignore_ascii_case("string")) {
        return Err(binding.invalid("dataType", "nothing, because a custom handler receives a batch as a string"));
    }
    Ok(())
}

fn start_from(binding: &Fields) -> Result<StartFrom, HostError> {
    let from_beginning = binding.boolean("startFromBeginning")?.unwrap_or(false);
    let Some(text) = binding.string("startFromTime")?.filter(|text| !text.is_empty()) else {
        return Ok(if from_beginning { StartFrom::Beginning } else { StartFrom::Now });
    };
    if from_beginning {
        return Err(binding.invalid("startFromTime", "nothing, because startFromBeginning is true"));
    }
    let with_t = text.replacen(' ', "T", 1);
    let without_zone = || with_t.parse::<NaiveDateTime>().map(|time| time.and_utc());
    let time = DateTime::parse_from_rfc3339(&with_t).map(|time| time.with_timezone(&Utc)).or_else(|_| without_zone());
    let time = time.map_err(|_| binding.invalid("startFromTime", "a time such as 2021-02-16 14:19:29Z"))?;
    if with_t == text && !binding.is_replaced("startFromTime") {
        // The host's JSON library reads such a text as a date without a zone, and the trigger refuses that.
        let allowed = "a time with a space, such as 2021-02-16 14:19:29Z, or an app setting such as %StartTime%, because the real trigger does not start with a T in function.json";
        return Err(binding.invalid("startFromTime", allowed));
    }
    Ok(StartFrom::Time(time))
}

fn is_function_name(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_alphabetic())
        && name.len() <= 128
        && name.chars().all(|character| character.is_ascii_alphanumeric() || matches!(character, '-' | '_'))
}

#[cfg(test)]
mod tests;
