//! The settings of a source: those of the app that names no sources, or `CHANGEFEED_<name>__…` with those of the app as defaults.

use anyhow::{Result, anyhow, bail};
use changefeed_cosmos::{FieldPath, NAME_GRAMMAR, ResourceName, SOURCE_NAME_GRAMMAR, SourceName};
use changefeed_history::{ActorFields, CaptureFilter, CaptureRules, OmittedFields};
use changefeed_processor::ChangeFeedMode;

use super::raw_settings::RawSettings;
use super::setting_value::{SettingValue, invalid};
use super::table::{
    ACTOR_FIELDS, ALL_VERSIONS_LEASE_PREFIX, CAPTURE_FILTER, CHANGES, LEASE_PREFIX, MODE, MONITORED, OMITTED_FIELDS,
    RESTORE_ID_FIELD, RESTORED_AT_FIELD, RETENTION_DAYS, SOURCES, Setting,
};

const MAX_LEASE_PREFIX_BYTES: usize = 200;
const RETENTION_RANGE: std::ops::RangeInclusive<u32> = 1..=36_500;
/// The most sources of an app. Each has a processor or a trigger of its own.
const MAX_SOURCES: usize = 100;

/// What the settings of a source are named after its name.
const SOURCE_SETTINGS: [&str; 8] =
    ["monitored", "changes", "leasePrefix", "retentionDays", "actorFields", "mode", "omittedFields", "captureFilter"];

/// A source: what is captured, and how.
#[derive(Clone, Debug)]
pub struct SourceSettings {
    pub name: SourceName,
    /// The container whose documents are captured.
    pub monitored: String,
    /// The container of the versions.
    pub changes: String,
    pub actor_fields: ActorFields,
    /// What is never stored.
    pub capture_rules: CaptureRules,
    pub retention_days: Option<u32>,
    pub mode: ChangeFeedMode,
    pub lease_prefix: String,
    pub all_versions_lease_prefix: String,
}

/// A setting as it is given, or another one that is its default.
struct Given<'r> {
    name: String,
    value: Option<SettingValue<'r>>,
}

impl<'r> Given<'r> {
    fn plain(raw: &'r RawSettings, setting: &Setting) -> Self {
        Self { name: setting.name.to_owned(), value: raw.get(setting.name) }
    }

    fn of_source(raw: &'r RawSettings, source: &SourceName, property: &str) -> Self {
        let name = setting_of(source, property);
        Self { value: raw.get(&name), name }
    }

    /// This setting, or another one if it is not given.
    fn or(self, other: Self) -> Self {
        if self.value.is_some() { self } else { other }
    }

    fn printable(&self) -> Result<Option<&'r str>> {
        self.value.map(|value| value.printable(&self.name)).transpose()
    }
}

/// The name of a setting of a source.
pub fn setting_of(source: &SourceName, property: &str) -> String {
    format!("CHANGEFEED_{source}__{property}")
}

/// The sources that the settings name; none if they name no sources.
pub fn source_names(raw: &RawSettings) -> Result<Vec<SourceName>> {
    let Some(value) = raw.get(SOURCES.name) else { return Ok(Vec::new()) };
    let mut names: Vec<SourceName> = Vec::new();
    for text in value.printable(SOURCES.name)?.split(',') {
        let name: SourceName = text.trim().parse().map_err(|_| {
            invalid(
                SOURCES.name,
                &format!("names with commas between them, such as orders,customers; a name has {SOURCE_NAME_GRAMMAR}"),
            )
        })?;
        if names.contains(&name) {
            bail!("setting {} names source {name} twice", SOURCES.name);
        }
        names.push(name);
    }
    if names.len() > MAX_SOURCES {
        bail!("setting {} names {} sources; an app has at most {MAX_SOURCES}", SOURCES.name, names.len());
    }
    Ok(names)
}

/// Whether a name that begins with `CHANGEFEED_` is a setting of one of these sources.
pub(super) fn is_setting_of(name: &str, sources: &[SourceName]) -> bool {
    let Some((source, property)) = name.strip_prefix("CHANGEFEED_").and_then(|rest| rest.split_once("__")) else {
        return false;
    };
    SOURCE_SETTINGS.contains(&property) && sources.iter().any(|known| known.as_str() == source && !known.is_default())
}

impl SourceSettings {
    /// The source of an app that names none.
    pub fn plain(raw: &RawSettings) -> Result<Self> {
        let given = |setting| Given::plain(raw, setting);
        let lease_prefix = lease_prefix(&given(&LEASE_PREFIX), "")?;
        let all_versions = lease_prefix_of_all_versions(raw)?;
        if all_versions == lease_prefix {
            let (other, this) = (LEASE_PREFIX.name, ALL_VERSIONS_LEASE_PREFIX.name);
            bail!("settings {other} and {this} have the same value; each change feed mode needs its own leases");
        }
        let actors = actor_fields(&given(&ACTOR_FIELDS))?;
        Ok(Self {
            name: SourceName::default(),
            monitored: container_name(&given(&MONITORED), MONITORED.default)?,
            changes: container_name(&given(&CHANGES), CHANGES.default)?,
            capture_rules: capture_rules(raw, &given(&OMITTED_FIELDS), &given(&CAPTURE_FILTER), &actors)?,
            actor_fields: actors,
            retention_days: retention_days(&given(&RETENTION_DAYS))?,
            mode: mode(&given(&MODE))?,
            lease_prefix,
            all_versions_lease_prefix: all_versions,
        })
    }

    /// A source of this name.
    pub fn named(raw: &RawSettings, name: &SourceName) -> Result<Self> {
        if name.is_default() {
            return Self::plain(raw);
        }
        let own = |property| Given::of_source(raw, name, property);
        let monitored = container_name(&own("monitored"), name.as_str())?;
        let lease_prefix = lease_prefix(&own("leasePrefix"), name.as_str())?;
        let actors = actor_fields(&own("actorFields").or(Given::plain(raw, &ACTOR_FIELDS)))?;
        let omitted = own("omittedFields").or(Given::plain(raw, &OMITTED_FIELDS));
        let filter = own("captureFilter").or(Given::plain(raw, &CAPTURE_FILTER));
        Ok(Self {
            name: name.clone(),
            changes: container_name(&own("changes"), &format!("{monitored}-changes"))?,
            monitored,
            capture_rules: capture_rules(raw, &omitted, &filter, &actors)?,
            actor_fields: actors,
            retention_days: retention_days(&own("retentionDays").or(Given::plain(raw, &RETENTION_DAYS)))?,
            mode: mode(&own("mode").or(Given::plain(raw, &MODE)))?,
            all_versions_lease_prefix: format!("{}{lease_prefix}", lease_prefix_of_all_versions(raw)?),
            lease_prefix,
        })
    }
}

/// The prefix of the leases of the jobs, which all sources share.
pub(super) fn jobs_lease_prefix(raw: &RawSettings) -> Result<String> {
    lease_prefix(&Given::plain(raw, &LEASE_PREFIX), "")
}

fn lease_prefix_of_all_versions(raw: &RawSettings) -> Result<String> {
    lease_prefix(&Given::plain(raw, &ALL_VERSIONS_LEASE_PREFIX), ALL_VERSIONS_LEASE_PREFIX.default)
}

/// The name of a container or of the database.
pub(super) fn resource_name(raw: &RawSettings, setting: &Setting) -> Result<String> {
    container_name(&Given::plain(raw, setting), setting.default)
}

fn container_name(given: &Given<'_>, default: &str) -> Result<String> {
    let name = given.printable()?.unwrap_or(default).parse::<ResourceName>();
    name.map(String::from)
        .map_err(|_| invalid(&given.name, &format!("names of a database or a container: {NAME_GRAMMAR}")))
}

fn actor_fields(given: &Given<'_>) -> Result<ActorFields> {
    let Some(text) = given.printable()? else { return Ok(ActorFields::default()) };
    ActorFields::parse_list(text)
        .map_err(|_| invalid(&given.name, "fields separated by commas, such as updatedBy,meta.user.name"))
}

/// What is never stored. Whether the rules fit the partition key of the container is only known when that can be read.
fn capture_rules(
    raw: &RawSettings,
    omitted: &Given<'_>,
    filter: &Given<'_>,
    actors: &ActorFields,
) -> Result<CaptureRules> {
    let fields = OmittedFields::parse_list(omitted.printable()?.unwrap_or_default());
    let fields = fields.map_err(|message| {
        let allowed = "use fields with commas between them, such as password,meta.token";
        anyhow!("setting {}: {message}; {allowed}", omitted.name)
    })?;
    let parsed = filter.printable()?.map(CaptureFilter::parse).transpose();
    let parsed = parsed.map_err(|message| anyhow!("setting {}: {message}", filter.name))?;
    let stamp = [&RESTORED_AT_FIELD, &RESTORE_ID_FIELD].map(|setting| stamp_field(raw, setting));
    let stamp = stamp.into_iter().filter_map(Result::transpose).collect::<Result<Vec<String>>>()?;
    let stamp: Vec<FieldPath> = stamp.into_iter().map(FieldPath::property).collect();
    let stored = stamp.iter().map(|field| (field, "a restore sets it, and finds its own writes by it"));
    let actors = actors.fields().iter().map(|field| (field, "it names who wrote a version"));
    CaptureRules::new(fields, parsed, stored.chain(actors))
        .map_err(|message| anyhow!("setting {}: {message}; omit other fields", omitted.name))
}

/// A property of the document itself, named as any field. It must not be one that identifies a document.
pub(super) fn stamp_field(raw: &RawSettings, setting: &'static Setting) -> Result<Option<String>> {
    let text = match raw.get_even_empty(setting.name) {
        Some(value) => value.printable(setting.name)?,
        None => setting.default,
    };
    match text.parse::<FieldPath>().as_ref().map(FieldPath::segments) {
        Ok([]) => Ok(None),
        Ok([name]) if !["id", "ttl"].contains(&name.as_str()) && !name.starts_with('_') => Ok(Some(name.clone())),
        _ => Err(invalid(
            setting.name,
            "properties of the document itself other than id, ttl and those that start with _, or empty: no property",
        )),
    }
}

fn retention_days(given: &Given<'_>) -> Result<Option<u32>> {
    let Some(value) = given.value else { return Ok(None) };
    match value.expose().parse() {
        Ok(days) if RETENTION_RANGE.contains(&days) => Ok(Some(days)),
        _ => {
            let (first, last) = (RETENTION_RANGE.start(), RETENTION_RANGE.end());
            let allowed = format!("whole numbers from {first} to {last}, or empty: keep forever");
            Err(anyhow!(invalid(&given.name, &allowed)))
        }
    }
}

fn mode(given: &Given<'_>) -> Result<ChangeFeedMode> {
    given
        .value
        .map_or(MODE.default, SettingValue::expose)
        .parse()
        .map_err(|_| invalid(&given.name, "LatestVersion and AllVersionsAndDeletes"))
}

/// The prefix becomes part of an item's id.
fn lease_prefix(given: &Given<'_>, default: &str) -> Result<String> {
    let Some(prefix) = given.printable()? else { return Ok(default.to_owned()) };
    let is_forbidden = |character: char| matches!(character, '/' | '\\' | '#' | '?') || character.is_control();
    if prefix.len() > MAX_LEASE_PREFIX_BYTES || prefix.contains(is_forbidden) {
        return Err(invalid(
            &given.name,
            &format!("up to {MAX_LEASE_PREFIX_BYTES} bytes without / \\ # ? and control characters"),
        ));
    }
    Ok(prefix.to_owned())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::config::Settings;
    use crate::feed::Feed;

    fn read(values: &[(&str, &str)]) -> Result<Vec<Settings>> {
        let connection = [("CosmosDB", "AccountEndpoint=https://a.documents.azure.com/;AccountKey=c2VjcmV0;")];
        let values = values.iter().chain(&connection).map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Settings::read(&RawSettings::from(values.collect::<BTreeMap<_, _>>()))
    }

    fn refused(values: &[(&str, &str)]) -> String {
        format!("{:#}", read(values).expect_err("refused"))
    }

    #[test]
    fn a_source_has_its_own_settings_and_those_of_the_app_as_defaults() {
        let settings = read(&[
            ("CHANGEFEED_SOURCES", "orders, customers,default"),
            ("CHANGEFEED_RETENTION_DAYS", "30"),
            ("CHANGEFEED_orders__retentionDays", "7"),
            ("CHANGEFEED_orders__monitored", "Orders2024"),
            ("CHANGEFEED_customers__mode", "AllVersionsAndDeletes"),
            ("CHANGEFEED_customers__leasePrefix", "c-"),
        ])
        .expect("settings");
        let [orders, customers, default] = &settings[..] else { panic!("three sources: {settings:?}") };
        assert_eq!((orders.source.as_str(), orders.names.monitored.as_str()), ("orders", "Orders2024"));
        assert_eq!((orders.names.changes.as_str(), orders.retention_days), ("Orders2024-changes", Some(7)));
        assert_eq!((customers.names.monitored.as_str(), customers.retention_days), ("customers", Some(30)));
        assert_eq!(
            (customers.mode, orders.mode),
            (ChangeFeedMode::AllVersionsAndDeletes, ChangeFeedMode::LatestVersion)
        );
        assert_eq!((default.names.monitored.as_str(), default.names.changes.as_str()), ("events", "changes"));
        let prefixes = |settings: &Settings| Feed::ALL.map(|feed| settings.lease_prefix(feed).to_owned());
        assert_eq!(prefixes(orders), ["orders", "all-versions-orders", ""]);
        assert_eq!(prefixes(customers), ["c-", "all-versions-c-", ""]);
        assert_eq!(prefixes(default), ["", "all-versions-", ""]);
        assert_eq!(orders.function(Feed::CaptureAllVersions), "CosmosChangeFeedAllVersions_orders");
        assert_eq!(
            (default.function(Feed::Capture), orders.function(Feed::Jobs)),
            ("CosmosChangeFeed".into(), "RunJobs".into())
        );
    }

    #[test]
    fn a_wrong_setting_of_a_source_is_named() {
        let sources = ("CHANGEFEED_SOURCES", "orders,customers");
        for wrong in ["Orders", "orders,", "a b", "1a", ","] {
            let message = refused(&[("CHANGEFEED_SOURCES", wrong)]);
            assert!(message.contains("CHANGEFEED_SOURCES") && message.contains("orders,customers"), "{message}");
        }
        assert!(refused(&[("CHANGEFEED_SOURCES", "a,b,a")]).contains("names source a twice"));
        for (property, value, expected) in [
            ("mode", "Everything", "allowed are LatestVersion and AllVersionsAndDeletes"),
            ("retentionDays", "0", "allowed are whole numbers from 1 to 36500"),
            ("leasePrefix", "a/b", "without /"),
            ("monitored", "..", "1 to 255 characters"),
            ("changes", "customers", "CHANGEFEED_customers__monitored have the same value"),
            ("monitored", "jobs", "CHANGEFEED_JOBS_CONTAINER and CHANGEFEED_orders__monitored have the same value"),
            ("changes", "customers-changes", "CHANGEFEED_orders__changes and CHANGEFEED_customers__changes"),
        ] {
            let message = refused(&[sources, (&setting_of(&"orders".parse().expect("a name"), property), value)]);
            assert!(message.contains("CHANGEFEED_orders__") && message.contains(expected), "{message}");
        }
    }
}
