//! The settings, read and checked once.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use anyhow::{Result, bail};
use changefeed_backup_format::LocationAccess;
use changefeed_cosmos::{Background, Clock, SourceName};
use changefeed_history::{ActorFields, CaptureFilter, CaptureRules, ContainerNames, IndexedField, TimeZone};
use changefeed_jobs::{DefaultBudget, JobOptions, check_budget};
use changefeed_operations::{ChangefeedOptions, Connections};
use changefeed_processor::ChangeFeedMode;
use serde_json::{Value, json};

use super::connection::{ConnectionSettings, connections};
use super::raw_settings::RawSettings;
use super::setting_value::{SettingValue, invalid};
use super::source_settings::{
    SourceSettings, is_setting_of, jobs_lease_prefix, resource_name, setting_of, source_names, stamp_field,
};
use super::storage::locations;
use super::table::*;
use crate::feed::Feed;

const CONCURRENCY_RANGE: std::ops::RangeInclusive<usize> = 1..=1000;
const BATCH_TIMEOUT_RANGE: std::ops::RangeInclusive<u64> = 1..=86_400;
const STALLED_AFTER_RANGE: std::ops::RangeInclusive<u64> = 1..=86_400;
const THROUGHPUT_BUCKETS: std::ops::RangeInclusive<u32> = 1..=5;

/// The variable with the folder of the app, which the Functions host sets.
const APP_ROOT: &str = "FUNCTIONS_APP_ROOT_PATH";

/// The settings of a source, with those that all sources of the app share.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The source: a container whose documents are captured, and its history.
    pub source: SourceName,
    /// The sources that the settings name, in their order; none if the app has one source without a name.
    pub sources: Vec<SourceName>,
    /// The containers with the versions of the other sources.
    other_histories: Vec<String>,
    /// The connection to Cosmos DB.
    pub connection: ConnectionSettings,
    /// The database and the containers.
    pub names: ContainerNames,
    /// Concurrent writes of one batch or request.
    pub concurrency: usize,
    /// How long a batch is retried when Cosmos DB throttles.
    pub batch_timeout: Duration,
    /// The fields of documents that the changes container indexes.
    pub indexed_fields: Vec<IndexedField>,
    /// The fields of documents that name who wrote them.
    pub actor_fields: ActorFields,
    /// The documents and fields that are never stored.
    pub capture_rules: CaptureRules,
    /// Days for which a superseded version is kept; `None`: forever.
    pub retention_days: Option<u32>,
    /// The property of a restored document that receives the time of the restore; `None`: no property.
    pub restored_at_field: Option<String>,
    /// The property of a restored document that receives the id of the restore; `None`: no property.
    pub restore_id_field: Option<String>,
    /// The zone of times that are written without one; `None`: UTC over HTTP, that of the machine on the command line.
    pub time_zone: Option<TimeZone>,
    /// The mode of the change feed for `changefeed process`.
    pub mode: ChangeFeedMode,
    /// The processor's name in the ids of the leases of capture in LatestVersion mode; `leaseContainerPrefix` of its trigger.
    lease_prefix: String,
    /// The same for capture in AllVersionsAndDeletes mode. It is another one.
    all_versions_lease_prefix: String,
    /// The same for the leases of the jobs, which all sources share.
    jobs_lease_prefix: String,
    /// How long a lease may make no progress before it counts as stalled.
    pub stalled_after: Duration,
    /// Whether the app moves leases past documents that the Functions trigger cannot deliver.
    pub unblock_leases: bool,
    /// The folder of the function app, if the Functions host has started this process.
    pub app_root: Option<PathBuf>,
    /// The accounts of other histories.
    connections: Connections,
    /// Access to the locations of backups.
    pub locations: LocationAccess,
    /// The budget of a job whose request names none.
    job_budget: DefaultBudget,
    /// The throughput bucket of the requests of jobs; `None`: no bucket.
    throughput_bucket: Option<u32>,
    /// The regions that are read from first, in this order; empty: in the account's own order.
    pub preferred_regions: Vec<String>,
    /// Whether the functions for trying out, `Populate` and `Truncate`, do anything.
    pub tryout_functions: bool,
    /// The port that the Functions host calls.
    pub port: u16,
    log_format: LogFormat,
}

/// The form of the lines of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// A line of text.
    Text,
    /// A JSON object.
    Json,
}

impl FromStr for LogFormat {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err(()),
        }
    }
}

impl Settings {
    /// Reads the settings of each source, in the order in which they are named: of at least one.
    ///
    /// # Errors
    /// Names the wrong setting and what is allowed.
    pub fn read(raw: &RawSettings) -> Result<Vec<Self>> {
        let sources = source_names(raw)?;
        for name in raw.names("CHANGEFEED_") {
            if SETTINGS.iter().all(|setting| setting.name != name) && !is_setting_of(name, &sources) {
                log::warn!("unknown setting {name} is ignored; see docs/reference/settings.md");
            }
        }
        let read = if sources.is_empty() {
            vec![SourceSettings::plain(raw)?]
        } else {
            sources.iter().map(|name| SourceSettings::named(raw, name)).collect::<Result<_>>()?
        };
        let settings = read.into_iter().map(|source| Self::of(raw, source, &sources)).collect::<Result<Vec<_>>>()?;
        distinct(&settings)?;
        let histories: Vec<String> = settings.iter().map(|settings| settings.names.changes.clone()).collect();
        let beside = |settings: Self| {
            let others = histories.iter().filter(|history| **history != settings.names.changes);
            Self { other_histories: others.cloned().collect(), ..settings }
        };
        Ok(settings.into_iter().map(beside).collect())
    }

    fn of(raw: &RawSettings, source: SourceSettings, sources: &[SourceName]) -> Result<Self> {
        let text = |setting: &'static Setting| raw.get(setting.name).map_or(setting.default, SettingValue::expose);
        let name = |setting: &'static Setting| resource_name(raw, setting);
        Ok(Self {
            source: source.name,
            sources: sources.to_vec(),
            other_histories: Vec::new(),
            names: ContainerNames {
                database: name(&DATABASE)?,
                monitored: source.monitored,
                changes: source.changes,
                leases: name(&LEASES)?,
                jobs: name(&JOBS)?,
                dead_letters: name(&DEAD_LETTERS)?,
            },
            connection: ConnectionSettings::read(raw)?,
            actor_fields: source.actor_fields,
            capture_rules: source.capture_rules,
            retention_days: source.retention_days,
            mode: source.mode,
            lease_prefix: source.lease_prefix,
            all_versions_lease_prefix: source.all_versions_lease_prefix,
            jobs_lease_prefix: jobs_lease_prefix(raw)?,
            concurrency: number(&CONCURRENCY, text(&CONCURRENCY), CONCURRENCY_RANGE)?,
            batch_timeout: Duration::from_secs(number(&BATCH_TIMEOUT, text(&BATCH_TIMEOUT), BATCH_TIMEOUT_RANGE)?),
            indexed_fields: indexed_fields(raw)?,
            restored_at_field: stamp_field(raw, &RESTORED_AT_FIELD)?,
            restore_id_field: stamp_field(raw, &RESTORE_ID_FIELD)?,
            time_zone: time_zone(raw)?,
            stalled_after: Duration::from_secs(number(&STALLED_AFTER, text(&STALLED_AFTER), STALLED_AFTER_RANGE)?),
            unblock_leases: on_or_off(&UNBLOCK_LEASES, text(&UNBLOCK_LEASES))?,
            app_root: raw.get(APP_ROOT).map(|folder| PathBuf::from(folder.expose())),
            connections: connections(raw, &preferred_regions(raw)?),
            locations: locations(raw)?,
            job_budget: job_budget(text(&JOB_BUDGET))?,
            throughput_bucket: throughput_bucket(raw)?,
            preferred_regions: preferred_regions(raw)?,
            tryout_functions: on_or_off(&TRYOUT_FUNCTIONS, text(&TRYOUT_FUNCTIONS))?,
            port: number(&PORT, text(&PORT), 0..=u16::MAX)?,
            log_format: text(&LOG_FORMAT).parse().map_err(|()| invalid(LOG_FORMAT.name, "text and json"))?,
        })
    }

    /// The processor's name in the ids of a feed's leases.
    pub fn lease_prefix(&self, feed: Feed) -> &str {
        match feed {
            Feed::Capture => &self.lease_prefix,
            Feed::CaptureAllVersions => &self.all_versions_lease_prefix,
            Feed::Jobs => &self.jobs_lease_prefix,
        }
    }

    /// The function that the Functions host calls with the changes of a feed.
    pub fn function(&self, feed: Feed) -> String {
        feed.function_of(&self.source)
    }

    /// The options of the store.
    pub fn changefeed_options(&self) -> ChangefeedOptions {
        ChangefeedOptions {
            source: self.source.clone(),
            other_histories: self.other_histories.clone(),
            concurrency: self.concurrency,
            batch_timeout: self.batch_timeout,
            indexed_fields: self.indexed_fields.clone(),
            actor_fields: self.actor_fields.clone(),
            capture_rules: self.capture_rules.clone(),
            restored_at_field: self.restored_at_field.clone(),
            restore_id_field: self.restore_id_field.clone(),
            retention_days: self.retention_days,
            jobs: JobOptions {
                default_budget: self.job_budget,
                background: Background { throughput_bucket: self.throughput_bucket },
                ..JobOptions::default()
            },
            locations: self.locations.clone(),
            connections: self.connections.clone(),
            clock: Clock::default(),
        }
    }

    /// The settings for display, without secrets.
    pub fn display(&self) -> Value {
        let mut shown = json!({
            "connection": self.connection.to_string(),
            DATABASE.name: self.names.database,
            MONITORED.name: self.names.monitored,
            CHANGES.name: self.names.changes,
            LEASES.name: self.names.leases,
            JOBS.name: self.names.jobs,
            DEAD_LETTERS.name: self.names.dead_letters,
            CONCURRENCY.name: self.concurrency,
            BATCH_TIMEOUT.name: self.batch_timeout.as_secs(),
            INDEXED_FIELDS.name: self.indexed_fields,
            ACTOR_FIELDS.name: self.actor_fields.fields(),
            OMITTED_FIELDS.name: self.capture_rules.omitted().fields(),
            CAPTURE_FILTER.name: self.capture_rules.filter().map(CaptureFilter::text),
            RETENTION_DAYS.name: self.retention_days,
            RESTORED_AT_FIELD.name: self.restored_at_field.as_deref().unwrap_or_default(),
            RESTORE_ID_FIELD.name: self.restore_id_field.as_deref().unwrap_or_default(),
            TIME_ZONE.name: self.time_zone.as_ref().map(TimeZone::to_string),
            MODE.name: self.mode.to_string(),
            SOURCES.name: self.sources,
            LEASE_PREFIX.name: Some(&self.lease_prefix).filter(|prefix| !prefix.is_empty()).map_or("-", String::as_str),
            ALL_VERSIONS_LEASE_PREFIX.name: self.all_versions_lease_prefix,
        });
        let others = json!({
            STALLED_AFTER.name: self.stalled_after.as_secs(),
            UNBLOCK_LEASES.name: as_on_or_off(self.unblock_leases),
            BACKUP_STORAGE.name: self.locations.account().ok().flatten().unwrap_or_else(|| "-".to_owned()),
            BACKUP_HOSTS.name: self.locations.token_hosts,
            JOB_BUDGET.name: match self.job_budget {
                DefaultBudget::Unlimited => "unlimited".to_owned(),
                DefaultBudget::Fixed(ru_per_second) => ru_per_second.to_string(),
                DefaultBudget::Share(share) => format!("{}%", (share * 100.0).round()),
            },
            THROUGHPUT_BUCKET.name: self.throughput_bucket,
            PREFERRED_REGIONS.name: self.preferred_regions,
            TRYOUT_FUNCTIONS.name: as_on_or_off(self.tryout_functions),
            PORT.name: self.port,
            LOG_FORMAT.name: if self.log_format == LogFormat::Json { "json" } else { "text" },
        });
        // One macro with all of them is too deep for the compiler.
        if let (Value::Object(shown), Value::Object(others)) = (&mut shown, others) {
            shown.extend(others);
        }
        shown
    }
}

/// A container in two roles would capture its own writes, and one of two sources would get the versions of the other.
fn distinct(settings: &[Settings]) -> Result<()> {
    let mut all: Vec<(String, &str)> = Vec::new();
    if let Some(first) = settings.first() {
        let shared =
            [(&LEASES, &first.names.leases), (&JOBS, &first.names.jobs), (&DEAD_LETTERS, &first.names.dead_letters)];
        all.extend(shared.map(|(setting, name)| (setting.name.to_owned(), name.as_str())));
    }
    for Settings { source, names, .. } in settings {
        for (setting, property, name) in
            [(&MONITORED, "monitored", &names.monitored), (&CHANGES, "changes", &names.changes)]
        {
            let setting = if source.is_default() { setting.name.to_owned() } else { setting_of(source, property) };
            if let Some((other, _)) = all.iter().find(|(_, earlier)| earlier == name) {
                bail!("settings {other} and {setting} have the same value; each needs its own container");
            }
            all.push((setting, name));
        }
    }
    Ok(())
}

fn number<T>(setting: &Setting, text: &str, range: std::ops::RangeInclusive<T>) -> Result<T>
where
    T: FromStr + PartialOrd + std::fmt::Display,
{
    match text.parse() {
        Ok(number) if range.contains(&number) => Ok(number),
        _ => Err(invalid(setting.name, &format!("whole numbers from {} to {}", range.start(), range.end()))),
    }
}

fn indexed_fields(raw: &RawSettings) -> Result<Vec<IndexedField>> {
    let Some(value) = raw.get(INDEXED_FIELDS.name) else { return Ok(Vec::new()) };
    IndexedField::parse_list(value.printable(INDEXED_FIELDS.name)?).map_err(|_| {
        invalid(
            INDEXED_FIELDS.name,
            "fields separated by commas, such as city_name,address.\"zip code\", without empty names and without quotes or backslashes in names",
        )
    })
}

fn on_or_off(setting: &Setting, text: &str) -> Result<bool> {
    match text {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err(invalid(setting.name, "on and off")),
    }
}

fn as_on_or_off(is_on: bool) -> &'static str {
    if is_on { "on" } else { "off" }
}

/// The zone of times that are written without one, if the setting names one.
///
/// # Errors
/// When there is no such zone.
pub fn time_zone(raw: &RawSettings) -> Result<Option<TimeZone>> {
    let Some(value) = raw.get(TIME_ZONE.name) else { return Ok(None) };
    let zone = value.printable(TIME_ZONE.name)?.parse();
    zone.map(Some).map_err(|_| invalid(TIME_ZONE.name, "names of the IANA database, such as Europe/Berlin or UTC"))
}

/// A share of the provisioned throughput, or request units a second.
fn job_budget(text: &str) -> Result<DefaultBudget> {
    if text == "unlimited" {
        return Ok(DefaultBudget::Unlimited);
    }
    let budget = match text.strip_suffix('%') {
        Some(percent) => percent
            .parse::<u32>()
            .ok()
            .filter(|percent| (1..=100).contains(percent))
            .map(|percent| DefaultBudget::Share(f64::from(percent) / 100.0)),
        None => text.parse().ok().filter(|units| check_budget(Some(*units)).is_ok()).map(DefaultBudget::Fixed),
    };
    let allowed = "a share of the provisioned throughput from 1% to 100%, request units a second from 10 to 10000000, and unlimited";
    budget.ok_or_else(|| invalid(JOB_BUDGET.name, allowed))
}

/// The service has five buckets.
fn throughput_bucket(raw: &RawSettings) -> Result<Option<u32>> {
    let Some(text) = raw.get(THROUGHPUT_BUCKET.name) else { return Ok(None) };
    number(&THROUGHPUT_BUCKET, text.expose(), THROUGHPUT_BUCKETS).map(Some)
}

/// The names of regions, as the service shows them.
fn preferred_regions(raw: &RawSettings) -> Result<Vec<String>> {
    let Some(value) = raw.get(PREFERRED_REGIONS.name) else { return Ok(Vec::new()) };
    let regions: Vec<String> =
        value.printable(PREFERRED_REGIONS.name)?.split(',').map(|region| region.trim().to_owned()).collect();
    let is_name = |region: &String| {
        !region.is_empty() && region.chars().all(|character| character.is_ascii_alphanumeric() || character == ' ')
    };
    if !regions.iter().all(is_name) {
        return Err(invalid(
            PREFERRED_REGIONS.name,
            "names of Azure regions with commas between them, such as West Europe,North Europe",
        ));
    }
    Ok(regions)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    const CONNECTION: (&str, &str) =
        ("CosmosDB", "AccountEndpoint=https://a.documents.azure.com/;AccountKey=c2VjcmV0;");

    fn read(values: &[(&str, &str)]) -> Vec<Settings> {
        let values = values.iter().chain([&CONNECTION]).map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Settings::read(&RawSettings::from(values.collect::<BTreeMap<_, _>>())).expect("settings")
    }

    fn refused(name: &str, value: &str) -> String {
        let source = RawSettings::from([CONNECTION, (name, value)]);
        format!("{:#}", Settings::read(&source).expect_err("refused"))
    }

    #[test]
    fn every_setting_has_the_default_of_the_table() {
        let [settings] = &read(&[])[..] else { panic!("one source") };
        let shown = settings.display();
        for setting in SETTINGS.iter().filter(|setting| setting.name != "RUST_LOG") {
            let value = match &shown[setting.name] {
                Value::String(text) => text.clone(),
                Value::Array(values) if values.is_empty() => "-".to_owned(),
                Value::Null => "-".to_owned(),
                other => other.to_string(),
            };
            assert_eq!(value, setting.default, "{}", setting.name);
        }
    }

    #[test]
    fn a_wrong_value_is_named_with_what_is_allowed() {
        assert!(
            refused("CHANGEFEED_CONCURRENCY", "many")
                .contains("CHANGEFEED_CONCURRENCY has an invalid value (not shown, because it could be a secret); allowed are whole numbers from 1 to 1000")
        );
        assert!(refused("CHANGEFEED_CONCURRENCY", "0").contains("from 1 to 1000"));
        assert!(refused("FUNCTIONS_CUSTOMHANDLER_PORT", "65536").contains("65535"));
        assert!(refused("CHANGEFEED_STALLED_AFTER_SECONDS", "0").contains("from 1 to 86400"));
        assert!(refused("CHANGEFEED_UNBLOCK_LEASES", "no").contains("on"));
        for budget in ["0%", "101%", "half", "5", "NaN", "-50%", "1e9"] {
            assert!(refused("CHANGEFEED_JOB_BUDGET", budget).contains("from 1% to 100%"), "{budget}");
        }
        assert!(refused("CHANGEFEED_THROUGHPUT_BUCKET", "6").contains("from 1 to 5"));
        assert!(refused("CHANGEFEED_PREFERRED_REGIONS", "West Europe,,x").contains("names of Azure regions"));
        assert!(refused("CHANGEFEED_LOG_FORMAT", "xml").contains("text and json"));
        for wrong in ["a/b", "..", "./jobs", "a ", "a\n", "a\tb"] {
            let message = refused("CHANGEFEED_DATABASE", wrong);
            let expected = "setting CHANGEFEED_DATABASE has an invalid value";
            assert!(message.contains(expected) && message.contains("1 to 255 characters"), "{message}");
        }
        assert!(
            refused("CHANGEFEED_CHANGES_CONTAINER", "events")
                .contains("CHANGEFEED_MONITORED_CONTAINER and CHANGEFEED_CHANGES_CONTAINER have the same value")
        );
        for wrong in ["a,b..c", "zip code", "a.\"\""] {
            assert!(refused("CHANGEFEED_INDEXED_FIELDS", wrong).contains("fields separated by commas"), "{wrong}");
        }
        assert!(refused("CHANGEFEED_ACTOR_FIELDS", "updated by").contains("updatedBy,meta.user.name"));
        assert!(refused("CHANGEFEED_MODE", "Everything").contains("LatestVersion and AllVersionsAndDeletes"));
        let message = refused("CHANGEFEED_BACKUP_STORAGE", "AccountName=a;AccountKey");
        assert!(message.contains("setting CHANGEFEED_BACKUP_STORAGE"), "{message}");
        assert!(refused("CHANGEFEED_TIME_ZONE", "Berlin").contains("allowed are names of the IANA database"));
        assert!(refused("CHANGEFEED_LEASE_PREFIX", "a/b").contains("CHANGEFEED_LEASE_PREFIX"));
        assert!(
            refused("CHANGEFEED_ALL_VERSIONS_LEASE_PREFIX", "a#b").contains("CHANGEFEED_ALL_VERSIONS_LEASE_PREFIX")
        );
        assert!(refused("CHANGEFEED_LEASE_PREFIX", "all-versions-").contains("have the same value"));
        for wrong in ["0", "-1", "1.5", "30d", "36501", "none"] {
            let message = refused("CHANGEFEED_RETENTION_DAYS", wrong);
            assert!(message.contains("allowed are whole numbers from 1 to 36500, or empty: keep forever"), "{message}");
        }
        for setting in ["CHANGEFEED_RESTORED_AT_FIELD", "CHANGEFEED_RESTORE_ID_FIELD"] {
            for wrong in ["id", "/ttl", "_etag", "\"_etag\"", "meta.restored_at", "restored at", "/a/b"] {
                assert!(refused(setting, wrong).contains(setting), "{wrong}");
            }
        }
    }

    #[test]
    fn secrets_are_not_shown() {
        let [settings] = &read(&[])[..] else { panic!("one source") };
        for shown in [settings.display().to_string(), format!("{settings:?}")] {
            assert!(shown.contains("a.documents.azure.com") && !shown.contains("c2VjcmV0"), "{shown}");
        }
    }
}
