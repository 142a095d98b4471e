//! The definition of a container: what clients send, checked and completed as the service does.
//!
//! Members that are not known are ignored.

use serde_json::{Map, Value, json};

use super::container_policies::{
    ComputedProperty, change_feed_retention, computed_properties, conflict_resolution, default_ttl,
    refuse_what_is_not_offered,
};
use super::indexing_policy::{IndexingMode, IndexingPolicy};
use super::name;
use super::partition_key::PartitionKey;
use super::refusal::Refusal;
use super::search_policies::SearchPolicies;
use super::unique_key::{self, UniqueKey};

/// What a container was created with, and what a replace of it changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ContainerDefinition {
    pub id: String,
    pub partition_key: PartitionKey,
    pub indexing_policy: IndexingPolicy,
    /// The time to live of items without one of their own, in seconds: -1 is none. Without a default, items do not expire.
    pub default_ttl: Option<i64>,
    pub unique_keys: Vec<UniqueKey>,
    pub computed_properties: Vec<ComputedProperty>,
    pub search: SearchPolicies,
    /// For how many minutes the change feed has all versions and deletes.
    pub change_feed_retention: Option<u64>,
    conflict_resolution: Value,
}

impl ContainerDefinition {
    /// Reads the body of a request that creates a container.
    pub(crate) fn parse(body: &[u8]) -> Result<Self, Refusal> {
        Self::from_json(&object(body)?)
    }

    /// Reads a definition, also one that [`Self::to_json`] wrote.
    pub(crate) fn from_json(body: &Map<String, Value>) -> Result<Self, Refusal> {
        let id = name::read(body)?;
        let partition_key = PartitionKey::parse(body.get("partitionKey"))?;
        refuse_what_is_not_offered(body)?;
        let definition = Self {
            id,
            partition_key,
            indexing_policy: IndexingPolicy::parse(body.get("indexingPolicy"))?,
            default_ttl: default_ttl(body)?,
            unique_keys: unique_key::read(body.get("uniqueKeyPolicy"))?,
            computed_properties: computed_properties(body)?,
            search: SearchPolicies::read(body)?,
            change_feed_retention: change_feed_retention(body)?,
            conflict_resolution: conflict_resolution(body)?,
        };
        let indexes = &definition.indexing_policy;
        definition.search.check_indexes(&indexes.vector_indexes, &indexes.full_text_indexes)?;
        if definition.default_ttl.is_some() && definition.indexing_policy.indexing_mode == IndexingMode::None {
            let message =
                "The indexing mode is none, with which items cannot expire; use the mode consistent, or no defaultTtl.";
            return Err(Refusal::bad_request(message));
        }
        Ok(definition)
    }

    /// Reads the body of a request that replaces this definition. The partition key and the unique keys cannot change.
    pub(crate) fn replace(&self, body: &[u8]) -> Result<Self, Refusal> {
        let body = object(body)?;
        let mut new = Self::from_json(&body)?;
        if new.id != self.id {
            let message = format!("The id in the body is \"{}\", but the container's is \"{}\".", new.id, self.id);
            return Err(Refusal::bad_request(message));
        }
        if !self.partition_key.is_same(&new.partition_key) {
            let (old, new) = (self.partition_key.to_json(), new.partition_key.to_json());
            let message = "The partition key of a container cannot be changed.";
            return Err(Refusal::bad_request(format!("{message} It is {old}, and the body has {new}.")));
        }
        if !unique_key::are_same(&self.unique_keys, &new.unique_keys) {
            let old = unique_key::to_json(&self.unique_keys);
            let message =
                "The unique index cannot be modified. Send the unique keys of the container, or create a new one.";
            return Err(Refusal::forbidden(format!("{message} They are {old}.")));
        }
        if body.get("conflictResolutionPolicy").is_some_and(|policy| !policy.is_null())
            && self.conflict_resolution != new.conflict_resolution
        {
            let message = "The conflict resolution policy of a container cannot be changed.";
            return Err(Refusal::bad_request(format!("{message} It is {}.", self.conflict_resolution)));
        }
        self.search.check_replaced_by(&new.search)?;
        new.partition_key = self.partition_key.clone();
        new.unique_keys = self.unique_keys.clone();
        new.conflict_resolution = self.conflict_resolution.clone();
        Ok(new)
    }

    /// The members that clients set, in the order of the service.
    pub(crate) fn to_json(&self) -> Map<String, Value> {
        let mut json = Map::new();
        json.insert("id".into(), json!(self.id));
        json.insert("indexingPolicy".into(), json!(self.indexing_policy));
        json.insert("partitionKey".into(), self.partition_key.to_json());
        if let Some(ttl) = self.default_ttl {
            json.insert("defaultTtl".into(), json!(ttl));
        }
        if !self.unique_keys.is_empty() {
            json.insert("uniqueKeyPolicy".into(), unique_key::to_json(&self.unique_keys));
        }
        json.insert("conflictResolutionPolicy".into(), self.conflict_resolution.clone());
        if let Some(minutes) = self.change_feed_retention {
            json.insert("changeFeedPolicy".into(), json!({"retentionDuration": minutes}));
        }
        json.insert("geospatialConfig".into(), json!({"type": "Geography"}));
        if !self.computed_properties.is_empty() {
            let property = |property: &ComputedProperty| json!({"name": property.name, "query": property.query});
            json.insert(
                "computedProperties".into(),
                self.computed_properties.iter().map(property).collect::<Vec<_>>().into(),
            );
        }
        self.search.write(&mut json);
        json
    }
}

/// Reads a body that must be a JSON object.
pub(crate) fn object(body: &[u8]) -> Result<Map<String, Value>, Refusal> {
    match serde_json::from_slice(body) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err(Refusal::bad_request("The body is not a JSON object.")),
        Err(error) => Err(Refusal::bad_request(format!("The body is not valid JSON: {error}."))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(body: &Value) -> Result<ContainerDefinition, Refusal> {
        ContainerDefinition::parse(body.to_string().as_bytes())
    }

    /// A definition with a partition key and these members.
    fn with(members: Value) -> Value {
        let mut body = json!({"id": "c", "partitionKey": {"paths": ["/pk"], "kind": "Hash"}});
        for (name, value) in members.as_object().expect("an object") {
            body[name] = value.clone();
        }
        body
    }

    fn refused(members: Value) -> Refusal {
        parse(&with(members)).expect_err("refused")
    }

    #[test]
    fn a_definition_is_completed() {
        let expected = json!({
            "id": "c",
            "indexingPolicy": {
                "indexingMode": "consistent",
                "automatic": true,
                "includedPaths": [{"path": "/*"}],
                "excludedPaths": [{"path": "/\"_etag\"/?"}],
            },
            "partitionKey": {"paths": ["/pk"], "kind": "Hash"},
            "conflictResolutionPolicy":
                {"mode": "LastWriterWins", "conflictResolutionPath": "/_ts", "conflictResolutionProcedure": ""},
            "geospatialConfig": {"type": "Geography"},
        });
        let definition = parse(&with(json!({}))).expect("a definition");
        assert_eq!(Value::Object(definition.to_json()), expected);
        // What SDKs send for features that are not used, and system properties, which come back in a replace.
        let unused = json!({"defaultTtl": null, "uniqueKeyPolicy": {"uniqueKeys": []}, "computedProperties": [],
            "changeFeedPolicy": null, "vectorEmbeddingPolicy": {"vectorEmbeddings": []}, "fullTextPolicy": null,
            "analyticalStorageTtl": 0, "allowMaterializedViews": false, "_rid": "lypXAMSZ-Cs=", "_ts": 1, "unknown": 1});
        assert_eq!(parse(&with(unused)), Ok(definition));
    }

    #[test]
    fn every_policy_is_stored() {
        let given = with(json!({
            "changeFeedPolicy": {"retentionDuration": 10},
            "uniqueKeyPolicy": {"uniqueKeys": [{"paths": ["/a", "/b/c"]}]},
            "conflictResolutionPolicy": {"mode": "LastWriterWins", "conflictResolutionPath": "/ver"},
            "computedProperties": [{"name": "low", "query": "SELECT VALUE LOWER(c.name) FROM c"}],
            "defaultTtl": -1,
        }));
        let definition = parse(&given).expect("a definition");
        assert_eq!((definition.default_ttl, definition.change_feed_retention), (Some(-1), Some(10)));
        let written = definition.to_json();
        for member in ["changeFeedPolicy", "uniqueKeyPolicy", "computedProperties", "defaultTtl"] {
            assert_eq!(written[member], given[member], "{member}");
        }
        assert_eq!(written["conflictResolutionPolicy"]["conflictResolutionPath"], "/ver");
        assert_eq!(ContainerDefinition::from_json(&written), Ok(definition));
    }

    #[test]
    fn definitions_that_the_service_refuses_are_refused() {
        for (members, message) in [
            (json!({"id": ""}), "non-empty string"),
            (json!({"id": "a/b"}), "not allowed"),
            (json!({"partitionKey": null}), "must have a partition key"),
            (json!({"partitionKey": {"paths": ["pk"]}}), "'pk' is invalid"),
            (json!({"defaultTtl": 0}), "'0' (DefaultTimeToLive) is invalid"),
            (json!({"defaultTtl": -2}), "'-2'"),
            (json!({"defaultTtl": 2_147_483_648_u64}), "must be -1 or 1 to 2147483647"),
            (json!({"defaultTtl": 1.5}), "'1.5'"),
            (json!({"defaultTtl": "60"}), "DefaultTimeToLive"),
            (json!({"defaultTtl": 60, "indexingPolicy": {"indexingMode": "none"}}), "items cannot expire"),
            (json!({"uniqueKeyPolicy": {"uniqueKeys": [{"paths": ["/a"]}, {"paths": ["/a"]}]}}), "given twice"),
            (json!({"indexingPolicy": {"includedPaths": [{"path": "/a"}]}}), "could not be accepted"),
            (json!({"computedProperties": {"name": "a"}}), "must be an array"),
            (json!({"computedProperties": [{"name": "a"}]}), "the strings name and query"),
            (json!({"computedProperties": [{"name": "id", "query": "SELECT VALUE 1 FROM c"}]}), "the name \"id\""),
            (json!({"computedProperties": [{"name": "a", "query": "SELECT c.a FROM c"}]}), "start with SELECT VALUE"),
            (json!({"changeFeedPolicy": {"retentionDuration": -1}}), "whole minutes"),
            (json!({"changeFeedPolicy": 5}), "whole minutes"),
            (json!({"conflictResolutionPolicy": {"mode": "First"}}), "LastWriterWins or Custom"),
            (json!({"clientEncryptionPolicy": {"policyFormatVersion": 1}}), "client encryption"),
            (json!({"geospatialConfig": {"type": "Geometry"}}), "Geography only"),
            (json!({"analyticalStorageTtl": -1}), "analytical storage"),
        ] {
            let refusal = refused(members.clone());
            assert_eq!(refusal.status, 400, "{members}");
            assert!(refusal.message.contains(message), "{members}: {}", refusal.message);
        }
        for body in ["", "[]", "{", "null"] {
            assert_eq!(ContainerDefinition::parse(body.as_bytes()).expect_err("refused").status, 400, "{body}");
        }
    }

    #[test]
    fn a_custom_conflict_resolution_has_a_procedure() {
        let policy = json!({"mode": "custom", "conflictResolutionProcedure": "dbs/a/colls/b/sprocs/s"});
        let definition = parse(&with(json!({"conflictResolutionPolicy": policy}))).expect("a definition");
        let expected = json!({"mode": "Custom", "conflictResolutionPath": "",
            "conflictResolutionProcedure": "dbs/a/colls/b/sprocs/s"});
        assert_eq!(definition.to_json()["conflictResolutionPolicy"], expected);
    }

    #[test]
    fn a_replace_changes_what_can_change() {
        let unique = json!({"uniqueKeys": [{"paths": ["/a"]}]});
        let old = parse(&with(json!({"uniqueKeyPolicy": unique, "defaultTtl": 5}))).expect("a definition");
        let replace = |members: Value| old.replace(with(members).to_string().as_bytes());
        let new = replace(json!({"uniqueKeyPolicy": unique, "indexingPolicy": {"indexingMode": "none"}})).expect("new");
        assert_eq!((new.default_ttl, new.indexing_policy.indexing_mode), (None, IndexingMode::None));
        let version = json!({"paths": ["/pk"], "kind": "Hash", "version": 1});
        let new = replace(json!({"uniqueKeyPolicy": unique, "partitionKey": version})).expect("new");
        assert_eq!(new.partition_key, old.partition_key);
        for (members, status, message) in [
            (json!({"uniqueKeyPolicy": unique, "id": "d"}), 400, "the container's is \"c\""),
            (json!({"uniqueKeyPolicy": unique, "partitionKey": {"paths": ["/id"]}}), 400, "cannot be changed"),
            (json!({"uniqueKeyPolicy": unique, "partitionKey": null}), 400, "must have a partition key"),
            // The service was recorded answering 403, also to a body that leaves the unique keys out.
            (json!({}), 403, "The unique index cannot be modified"),
            (
                json!({"uniqueKeyPolicy": {"uniqueKeys": [{"paths": ["/b"]}]}}),
                403,
                "The unique index cannot be modified",
            ),
            (
                json!({"uniqueKeyPolicy": unique, "conflictResolutionPolicy": {"conflictResolutionPath": "/v"}}),
                400,
                "conflict resolution policy of a container cannot be changed",
            ),
            (json!({"uniqueKeyPolicy": unique, "defaultTtl": 0}), 400, "DefaultTimeToLive"),
        ] {
            let refusal = replace(members.clone()).expect_err("refused");
            assert_eq!(refusal.status, status, "{members}");
            assert!(refusal.message.contains(message), "{members}: {}", refusal.message);
        }
    }
}
