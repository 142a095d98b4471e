//! The smaller policies in the definition of a container, and what the endpoint refuses in it.

use serde_json::{Map, Value, json};

use super::refusal::Refusal;

/// The most computed properties. Source: "Computed properties in Azure Cosmos DB" in Microsoft's documentation.
const MAX_COMPUTED_PROPERTIES: usize = 20;
const MAX_TTL: i64 = i32::MAX as i64;
/// Names that computed properties cannot have.
const SYSTEM_PROPERTIES: [&str; 7] = ["id", "_rid", "_ts", "_etag", "_self", "_attachments", "_lsn"];

/// A property that queries can use as if the items had it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ComputedProperty {
    pub name: String,
    /// `SELECT VALUE … FROM c`.
    pub query: String,
}

fn refuse<T>(message: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal::bad_request(message))
}

/// Reads the member `defaultTtl`: seconds, or -1 for items that expire only by their own time to live.
pub(super) fn default_ttl(body: &Map<String, Value>) -> Result<Option<i64>, Refusal> {
    let value = match body.get("defaultTtl") {
        None | Some(Value::Null) => return Ok(None),
        Some(value) => value,
    };
    match value.as_i64().or_else(|| value.as_f64().filter(|ttl| ttl.fract() == 0.0).map(|ttl| ttl as i64)) {
        Some(ttl) if ttl == -1 || (1..=MAX_TTL).contains(&ttl) => Ok(Some(ttl)),
        _ => refuse(format!(
            "The input ttl '{value}' (DefaultTimeToLive) is invalid; it must be -1 or 1 to {MAX_TTL} seconds."
        )),
    }
}

/// Reads the member `computedProperties`.
pub(super) fn computed_properties(body: &Map<String, Value>) -> Result<Vec<ComputedProperty>, Refusal> {
    let given = match body.get("computedProperties") {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(Value::Array(given)) => given,
        Some(other) => return refuse(format!("computedProperties is {other}; it must be an array.")),
    };
    if given.len() > MAX_COMPUTED_PROPERTIES {
        let count = given.len();
        return refuse(format!(
            "There are {count} computed properties; at most {MAX_COMPUTED_PROPERTIES} are allowed."
        ));
    }
    let mut properties = Vec::<ComputedProperty>::new();
    for value in given {
        let (Some(name), Some(query)) = (value["name"].as_str(), value["query"].as_str()) else {
            return refuse(format!(
                "The computed property {value} is invalid; it must have the strings name and query."
            ));
        };
        if name.is_empty() || SYSTEM_PROPERTIES.contains(&name) {
            return refuse(format!("A computed property cannot have the name \"{name}\"."));
        }
        if properties.iter().any(|other| other.name == name) {
            return refuse(format!("The computed property \"{name}\" is given twice."));
        }
        let mut words = query.split_whitespace().map(str::to_ascii_uppercase);
        if words.next().as_deref() != Some("SELECT") || words.next().as_deref() != Some("VALUE") {
            return refuse(format!(
                "The query of the computed property \"{name}\" must start with SELECT VALUE; it is {query}"
            ));
        }
        properties.push(ComputedProperty { name: name.to_owned(), query: query.to_owned() });
    }
    Ok(properties)
}

/// Reads the member `changeFeedPolicy`: for how many minutes the change feed has all versions and deletes.
pub(super) fn change_feed_retention(body: &Map<String, Value>) -> Result<Option<u64>, Refusal> {
    match body.get("changeFeedPolicy") {
        None | Some(Value::Null) => Ok(None),
        Some(policy) => match &policy["retentionDuration"] {
            Value::Null if policy.is_object() => Ok(None),
            minutes => match minutes.as_u64() {
                Some(0) => Ok(None),
                Some(minutes) => Ok(Some(minutes)),
                None => refuse(format!("changeFeedPolicy is {policy}; its retentionDuration must be whole minutes.")),
            },
        },
    }
}

/// Reads the member `conflictResolutionPolicy`, and fills in what is missing.
pub(super) fn conflict_resolution(body: &Map<String, Value>) -> Result<Value, Refusal> {
    let policy = match body.get("conflictResolutionPolicy") {
        None | Some(Value::Null) => &Value::Object(Map::new()),
        Some(policy) => policy,
    };
    let text = |name: &str| match &policy[name] {
        Value::Null => Ok(None),
        Value::String(text) => Ok(Some(text.as_str()).filter(|text| !text.is_empty())),
        other => refuse(format!("{name} of conflictResolutionPolicy is {other}; it must be a string.")),
    };
    let (path, procedure) = (text("conflictResolutionPath")?, text("conflictResolutionProcedure")?);
    let completed = |mode: &str, path: &str, procedure: &str| json!({"mode": mode, "conflictResolutionPath": path, "conflictResolutionProcedure": procedure});
    match text("mode")? {
        None => Ok(completed("LastWriterWins", path.unwrap_or("/_ts"), "")),
        Some(mode) if mode.eq_ignore_ascii_case("LastWriterWins") => {
            Ok(completed("LastWriterWins", path.unwrap_or("/_ts"), ""))
        }
        Some(mode) if mode.eq_ignore_ascii_case("Custom") => Ok(completed("Custom", "", procedure.unwrap_or_default())),
        Some(mode) => {
            refuse(format!("The conflict resolution mode is \"{mode}\"; it must be LastWriterWins or Custom."))
        }
    }
}

/// Refuses a definition with a feature that the endpoint does not offer.
pub(super) fn refuse_what_is_not_offered(body: &Map<String, Value>) -> Result<(), Refusal> {
    for (name, feature) in [
        ("clientEncryptionPolicy", "client encryption, which this endpoint does not offer"),
        ("dataMaskingPolicy", "data masking, which this endpoint does not offer"),
        ("materializedViewDefinition", "materialized views, which are not enabled on this account"),
        ("ttlPropertyPath", "a property for the time to live, which this endpoint does not offer"),
        ("analyticalStorageTtl", "analytical storage, which is not enabled on this account"),
    ] {
        if body.get(name).is_some_and(is_given) {
            return refuse(format!("The definition has {name}: {feature}."));
        }
    }
    match body.get("geospatialConfig").map(|config| &config["type"]) {
        None | Some(Value::Null) => Ok(()),
        Some(Value::String(kind)) if kind.eq_ignore_ascii_case("Geography") => Ok(()),
        Some(other) => refuse(format!("The type of geospatialConfig is {other}; this endpoint offers Geography only.")),
    }
}

/// Whether a value switches a feature on. SDKs send null, 0 and empty lists for what is not used.
fn is_given(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(list) => !list.is_empty(),
        Value::Object(members) => members.values().any(is_given),
        Value::Bool(flag) => *flag,
    }
}
