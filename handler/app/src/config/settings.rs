//! Every setting, with its default and meaning. The README's table and the sample settings file are held to this one.

use std::str::FromStr;
use std::time::Duration;

use anyhow::{Result, bail};
use changefeed_backup_format::LocationAccess;
use changefeed_history::ContainerNames;
use changefeed_jobs::JobOptions;
use changefeed_operations::ChangefeedOptions;
use changefeed_processor::ChangeFeedMode;
use serde_json::{Value, json};

use super::connection::ConnectionSettings;
use super::source::Source;
use super::storage::places;

/// A setting as the README's table has it.
pub struct Setting {
    /// The name of the app setting.
    pub name: &'static str,
    /// The value it has when it is not given; none for `-`.
    pub default: &'static str,
}

const DATABASE: Setting = Setting { name: "CHANGEFEED_DATABASE", default: "dev" };
const MONITORED: Setting = Setting { name: "CHANGEFEED_MONITORED_CONTAINER", default: "events" };
const CHANGES: Setting = Setting { name: "CHANGEFEED_CHANGES_CONTAINER", default: "changes" };
const LEASES: Setting = Setting { name: "CHANGEFEED_LEASES_CONTAINER", default: "leases" };
const JOBS: Setting = Setting { name: "CHANGEFEED_JOBS_CONTAINER", default: "jobs" };
const DEAD_LETTERS: Setting = Setting { name: "CHANGEFEED_DEAD_LETTERS_CONTAINER", default: "dead-letters" };
const CONCURRENCY: Setting = Setting { name: "CHANGEFEED_CONCURRENCY", default: "64" };
const BATCH_TIMEOUT: Setting = Setting { name: "CHANGEFEED_BATCH_TIMEOUT_SECONDS", default: "240" };
const INDEXED_FIELDS: Setting = Setting { name: "CHANGEFEED_INDEXED_FIELDS", default: "-" };
const RESTORED_AT_FIELD: Setting = Setting { name: "CHANGEFEED_RESTORED_AT_FIELD", default: "restored_at" };
const RETENTION_DAYS: Setting = Setting { name: "CHANGEFEED_RETENTION_DAYS", default: "-" };
const PORT: Setting = Setting { name: "FUNCTIONS_CUSTOMHANDLER_PORT", default: "8080" };
const MODE: Setting = Setting { name: "CHANGEFEED_MODE", default: "LatestVersion" };
const LEASE_PREFIX: Setting = Setting { name: "CHANGEFEED_LEASE_PREFIX", default: "-" };
pub(super) const BACKUP_STORAGE: Setting = Setting { name: "CHANGEFEED_BACKUP_STORAGE", default: "-" };
const RUST_LOG: Setting = Setting { name: "RUST_LOG", default: "info" };

/// The settings, in the order of the README's table, without the connection's.
pub const SETTINGS: [Setting; 16] = [
    DATABASE,
    MONITORED,
    CHANGES,
    LEASES,
    JOBS,
    DEAD_LETTERS,
    CONCURRENCY,
    BATCH_TIMEOUT,
    INDEXED_FIELDS,
    RETENTION_DAYS,
    RESTORED_AT_FIELD,
    MODE,
    LEASE_PREFIX,
    BACKUP_STORAGE,
    PORT,
    RUST_LOG,
];

const MAX_LEASE_PREFIX_BYTES: usize = 200;
const CONCURRENCY_RANGE: std::ops::RangeInclusive<usize> = 1..=1000;
const BATCH_TIMEOUT_RANGE: std::ops::RangeInclusive<u64> = 1..=86_400;
const RETENTION_RANGE: std::ops::RangeInclusive<u32> = 1..=36_500;

/// The settings of a process.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How Cosmos DB is reached.
    pub connection: ConnectionSettings,
    /// The database and the containers.
    pub names: ContainerNames,
    /// Writes in flight for one batch or request.
    pub concurrency: usize,
    /// How long throttling is waited out within a batch.
    pub batch_timeout: Duration,
    /// Property paths of documents that the changes container indexes.
    pub indexed_fields: Vec<String>,
    /// For how many days a version is kept after it has been superseded; for ever without.
    pub retention_days: Option<u32>,
    /// The field of a restored document that gets the time of the restore; none without.
    pub restored_at_field: Option<String>,
    /// What the change feed tells, to whoever captures without the Functions host.
    pub mode: ChangeFeedMode,
    /// The processor's name in the ids of leases; the trigger's `leaseContainerPrefix`.
    pub lease_prefix: String,
    /// How the places of backups are reached.
    pub places: LocationAccess,
    /// The port that the Functions host calls.
    pub port: u16,
}

impl Settings {
    /// Reads the settings.
    ///
    /// # Errors
    /// Names the setting that is wrong, what was found and what is allowed.
    pub fn read(source: &Source) -> Result<Self> {
        for name in source.names("CHANGEFEED_") {
            if SETTINGS.iter().all(|setting| setting.name != name) {
                log::warn!("{name} is not a setting and is ignored; see the table in the README");
            }
        }
        let text = |setting: &Setting| source.get(setting.name).unwrap_or(setting.default).to_owned();
        let name = |setting: &Setting| container_name(setting, text(setting));
        let names = ContainerNames {
            database: name(&DATABASE)?,
            monitored: name(&MONITORED)?,
            changes: name(&CHANGES)?,
            leases: name(&LEASES)?,
            jobs: name(&JOBS)?,
            dead_letters: name(&DEAD_LETTERS)?,
        };
        distinct(&names)?;
        Ok(Self {
            connection: ConnectionSettings::read(source)?,
            names,
            concurrency: number(&CONCURRENCY, &text(&CONCURRENCY), CONCURRENCY_RANGE)?,
            batch_timeout: Duration::from_secs(number(&BATCH_TIMEOUT, &text(&BATCH_TIMEOUT), BATCH_TIMEOUT_RANGE)?),
            indexed_fields: indexed_fields(source.get(INDEXED_FIELDS.name).unwrap_or_default())?,
            retention_days: retention_days(source)?,
            restored_at_field: restored_at_field(source)?,
            mode: mode(&text(&MODE))?,
            lease_prefix: lease_prefix(source)?,
            places: places(source)?,
            port: number(&PORT, &text(&PORT), 0..=u16::MAX)?,
        })
    }

    /// What the history needs of them.
    pub fn changefeed_options(&self) -> ChangefeedOptions {
        ChangefeedOptions {
            concurrency: self.concurrency,
            batch_timeout: self.batch_timeout,
            indexed_fields: self.indexed_fields.clone(),
            restored_at_field: self.restored_at_field.clone(),
            retention_days: self.retention_days,
            jobs: JobOptions::default(),
            places: self.places.clone(),
        }
    }

    /// The settings for people to look at, without secrets.
    pub fn display(&self) -> Value {
        json!({
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
            RETENTION_DAYS.name: self.retention_days,
            RESTORED_AT_FIELD.name: self.restored_at_field.as_deref().unwrap_or_default(),
            MODE.name: self.mode.to_string(),
            LEASE_PREFIX.name: Some(&self.lease_prefix).filter(|prefix| !prefix.is_empty()).map_or("-", String::as_str),
            BACKUP_STORAGE.name: self.places.account().ok().flatten().unwrap_or_else(|| "-".to_owned()),
            PORT.name: self.port,
        })
    }
}

fn container_name(setting: &Setting, name: String) -> Result<String> {
    let wrong = |character: &char| matches!(character, '/' | '\\' | '#' | '?');
    if name.len() > 255 || name.ends_with(' ') || name.chars().any(|character| wrong(&character)) {
        bail!(
            "setting {} is {name:?}; allowed are up to 255 characters without / \\ # ? and without a space at the end",
            setting.name
        );
    }
    Ok(name)
}

/// One container in two roles would capture its own writes.
fn distinct(names: &ContainerNames) -> Result<()> {
    let all = [
        (&MONITORED, &names.monitored),
        (&CHANGES, &names.changes),
        (&LEASES, &names.leases),
        (&JOBS, &names.jobs),
        (&DEAD_LETTERS, &names.dead_letters),
    ];
    for (index, (setting, name)) in all.iter().enumerate() {
        if let Some((other, _)) = all[..index].iter().find(|(_, earlier)| earlier == name) {
            bail!(
                "settings {} and {} are both {name:?}; each must name a container of its own",
                other.name,
                setting.name
            );
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
        _ => bail!(
            "setting {} is {text:?}; allowed are whole numbers from {} to {}",
            setting.name,
            range.start(),
            range.end()
        ),
    }
}

fn indexed_fields(text: &str) -> Result<Vec<String>> {
    let fields = text.split(',').map(str::trim).filter(|field| !field.is_empty());
    let field = |field: &str| {
        if field.split('.').any(str::is_empty) || field.contains(['"', '/', '\\', '?', '*']) {
            bail!(
                "setting {} holds {field:?}; allowed are names of properties, nested ones with dots, separated by commas: city_name,address.city",
                INDEXED_FIELDS.name
            );
        }
        Ok(field.to_owned())
    };
    fields.map(field).collect()
}

fn mode(text: &str) -> Result<ChangeFeedMode> {
    match text.parse() {
        Ok(mode) => Ok(mode),
        Err(_) => bail!("setting {} is {text:?}; allowed are LatestVersion and AllVersionsAndDeletes", MODE.name),
    }
}

/// It becomes part of an item's id.
fn lease_prefix(source: &Source) -> Result<String> {
    let prefix = source.get(LEASE_PREFIX.name).unwrap_or_default();
    if prefix.len() > MAX_LEASE_PREFIX_BYTES || prefix.contains(['/', '\\', '#', '?']) {
        bail!(
            "setting {} is {prefix:?}; allowed are up to {MAX_LEASE_PREFIX_BYTES} bytes without / \\ # ?",
            LEASE_PREFIX.name
        );
    }
    Ok(prefix.to_owned())
}

fn retention_days(source: &Source) -> Result<Option<u32>> {
    let Some(text) = source.get(RETENTION_DAYS.name) else { return Ok(None) };
    let days = number(&RETENTION_DAYS, text, RETENTION_RANGE);
    days.map(Some).map_err(|error| anyhow::anyhow!("{error}, or nothing to keep everything"))
}

/// The field must not be one that the document is found by.
fn restored_at_field(source: &Source) -> Result<Option<String>> {
    let field = source.get_even_empty(RESTORED_AT_FIELD.name).unwrap_or(RESTORED_AT_FIELD.default);
    if ["id", "ttl"].contains(&field) || field.starts_with('_') {
        bail!(
            "setting {} is {field:?}; allowed is any name but id, ttl and those with _ at the start, or nothing for no stamp",
            RESTORED_AT_FIELD.name
        );
    }
    Ok(Some(field.to_owned()).filter(|field| !field.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONNECTION: (&str, &str) =
        ("CosmosDB", "AccountEndpoint=https://a.documents.azure.com/;AccountKey=c2VjcmV0;");

    fn refused(name: &str, value: &str) -> String {
        let source = Source::from([CONNECTION, (name, value)]);
        format!("{:#}", Settings::read(&source).expect_err("refused"))
    }

    #[test]
    fn every_setting_has_the_default_of_the_table() {
        let settings = Settings::read(&Source::from([CONNECTION])).expect("settings");
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
                .contains("CHANGEFEED_CONCURRENCY is \"many\"; allowed are whole numbers from 1 to 1000")
        );
        assert!(refused("CHANGEFEED_CONCURRENCY", "0").contains("from 1 to 1000"));
        assert!(refused("FUNCTIONS_CUSTOMHANDLER_PORT", "65536").contains("65535"));
        assert!(refused("CHANGEFEED_DATABASE", "a/b").contains("CHANGEFEED_DATABASE"));
        assert!(
            refused("CHANGEFEED_CHANGES_CONTAINER", "events")
                .contains("CHANGEFEED_MONITORED_CONTAINER and CHANGEFEED_CHANGES_CONTAINER")
        );
        assert!(refused("CHANGEFEED_INDEXED_FIELDS", "a,b..c").contains("b..c"));
        assert!(refused("CHANGEFEED_MODE", "Everything").contains("LatestVersion and AllVersionsAndDeletes"));
        let message = refused("CHANGEFEED_BACKUP_STORAGE", "AccountName=a;AccountKey");
        assert!(message.contains("setting CHANGEFEED_BACKUP_STORAGE"), "{message}");
        assert!(refused("CHANGEFEED_LEASE_PREFIX", "a/b").contains("CHANGEFEED_LEASE_PREFIX"));
        for wrong in ["0", "-1", "1.5", "30d", "36501", "none"] {
            let message = refused("CHANGEFEED_RETENTION_DAYS", wrong);
            assert!(
                message.contains(&format!("is {wrong:?}; allowed are whole numbers from 1 to 36500, or nothing")),
                "{message}"
            );
        }
        assert!(refused("CHANGEFEED_RESTORED_AT_FIELD", "id").contains("CHANGEFEED_RESTORED_AT_FIELD"));
    }

    #[test]
    fn secrets_are_not_shown() {
        let settings = Settings::read(&Source::from([CONNECTION])).expect("settings");
        for shown in [settings.display().to_string(), format!("{settings:?}")] {
            assert!(shown.contains("a.documents.azure.com") && !shown.contains("c2VjcmV0"), "{shown}");
        }
    }
}
