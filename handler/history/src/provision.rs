//! Creates the database and the containers. Existing resources are not changed.

use changefeed_cosmos::{
    ContainerSpec, Created, Error, ErrorKind, IndexPolicy, IndexUpdate, KeyPath, create_container, create_database,
};
use indexmap::IndexSet;
use serde::Serialize;
use serde_json::json;

use crate::containers::{ContainerNames, Containers, Role};
use crate::indexed_field::IndexedField;

/// A database or container, and whether it was created.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Provisioned {
    /// `database` or `container`.
    pub kind: &'static str,
    /// Its name.
    pub name: String,
    /// Whether it was created; `false` if it existed.
    pub created: bool,
    /// The paths that were added to the index policy of a container that existed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub indexed: Vec<String>,
}

impl Containers {
    /// Creates the database and the containers that do not exist; the monitored one is partitioned by `monitored_key`. With
    /// `update_index`, the paths that containers of the history do not index yet are added to their index policies.
    ///
    /// # Errors
    /// [`ErrorKind::Forbidden`] with an identity: only account keys can create databases and containers. The message contains
    /// the Azure CLI commands to run instead.
    pub async fn provision(&self, monitored_key: &[KeyPath], update_index: bool) -> Result<Vec<Provisioned>, Error> {
        let (names, indexed_fields) = (self.names(), self.indexed_fields());
        let database = create_database(self.account(), &names.database)
            .await
            .map_err(|error| with_commands(error, names, monitored_key, indexed_fields))?;
        let provisioned = |kind, name: &str, created, indexed| Provisioned {
            kind,
            name: name.to_owned(),
            created: created == Created::Now,
            indexed,
        };
        let mut all = vec![provisioned("database", &names.database, database, Vec::new())];
        for role in Role::ALL {
            let spec = container_spec(role, names, monitored_key, indexed_fields);
            let created = create_container(self.account(), &names.database, &spec)
                .await
                .map_err(|error| with_commands(error, names, monitored_key, indexed_fields))?;
            let is_due = update_index && created == Created::Before && !spec.index.indexed_paths.is_empty();
            let indexed = if is_due { self.update_index(&spec).await? } else { Vec::new() };
            all.push(provisioned("container", &spec.name, created, indexed));
        }
        Ok(all)
    }

    /// The paths that a container of this role should index and does not.
    ///
    /// # Errors
    /// When its definition cannot be read.
    pub async fn missing_indexes(&self, role: Role) -> Result<Vec<String>, Error> {
        // Only the monitored container has another key, and its index is the application's.
        let spec = container_spec(role, self.names(), &[], self.indexed_fields());
        let update = IndexUpdate::of(self.account(), &self.names().database, &spec.name, &spec.index).await?;
        Ok(update.map(|update| update.added).unwrap_or_default())
    }

    /// Adds the paths of a container's definition that it does not index. Returns the added ones.
    async fn update_index(&self, spec: &ContainerSpec) -> Result<Vec<String>, Error> {
        let database = &self.names().database;
        let Some(update) = IndexUpdate::of(self.account(), database, &spec.name, &spec.index).await? else {
            return Ok(Vec::new());
        };
        match update.apply().await {
            Ok(()) => Ok(update.added),
            Err(error) if error.kind() == ErrorKind::Forbidden => {
                let message = format!(
                    "{error}\nOnly an account key can change a container; an identity cannot. Use a connection string, or run:\n\
                     az cosmosdb sql container update {AZ_ACCOUNT} --database-name {database} --name {} --idx {}",
                    spec.name,
                    shell_argument(&update.policy().to_string())
                );
                Err(Error::new(ErrorKind::Forbidden, "updating an index policy", message))
            }
            Err(error) => Err(error),
        }
    }
}

/// The definition of the container of a role. The monitored one is partitioned by `monitored_key`. `indexed_fields` are the
/// fields of documents that the changes container indexes.
pub fn container_spec(
    role: Role,
    names: &ContainerNames,
    monitored_key: &[KeyPath],
    indexed_fields: &[IndexedField],
) -> ContainerSpec {
    let key_paths = match role {
        Role::Monitored => monitored_key.to_vec(),
        // The second level spreads the versions of one partition key value over logical partitions, which hold 20 GB each.
        Role::Changes => ["pk", "sourceId"].map(KeyPath::property).to_vec(),
        Role::Leases | Role::Jobs | Role::DeadLetters => vec![KeyPath::property("id")],
    };
    let indexed_paths = match role {
        Role::Changes => changes_indexes(indexed_fields),
        Role::DeadLetters => ["/reason/?", "/capturedAt/?", "/partOf/?", "/source/?"].map(str::to_owned).to_vec(),
        // Pages of items are large, and queries find them by `jobId`.
        Role::Jobs => JOB_INDEXES.map(str::to_owned).to_vec(),
        Role::Monitored | Role::Leases => Vec::new(),
    };
    let index = IndexPolicy { indexed_paths };
    ContainerSpec { name: names.of(role).to_owned(), key_paths, index }
}

/// How a command of the Azure CLI names the account.
const AZ_ACCOUNT: &str = "--account-name <account> --resource-group <group>";
/// The version of the resource provider's interface.
const API_VERSION: &str = "2025-04-15";

const JOB_INDEXES: [&str; 11] = [
    "/kind/?",
    "/state/?",
    "/startedAt/?",
    "/finishedAt/?",
    "/jobId/?",
    "/tags/[]/?",
    "/partOf/?",
    "/job/updatedAt/?",
    "/request/dryRun/?",
    "/undoOf/?",
    "/source/?",
];

/// Only the paths that queries filter or order by: this halves the cost of storing a version.
const CHANGES_INDEXES: [&str; 11] = [
    "/pk/?",
    "/sourceId/?",
    "/sourceTs/?",
    "/lsn/?",
    "/operation/?",
    "/actor/?",
    "/expiresAt/?",
    "/partOf/?",
    "/documentZstd/?",
    "/documentParts/?",
    "/previousParts/?",
];

fn changes_indexes(indexed_fields: &[IndexedField]) -> Vec<String> {
    let own = CHANGES_INDEXES.map(str::to_owned);
    // Two fields can have one path, because all elements of an array are indexed. A policy has each path once.
    let fields = indexed_fields.iter().flat_map(|field| field.paths().iter().cloned());
    own.into_iter().chain(fields).collect::<IndexSet<_>>().into_iter().collect()
}

fn with_commands(
    error: Error,
    names: &ContainerNames,
    monitored_key: &[KeyPath],
    indexed_fields: &[IndexedField],
) -> Error {
    if error.kind() != ErrorKind::Forbidden {
        return error;
    }
    let message = format!(
        "{error}\nOnly an account key can create databases and containers; an identity cannot. Use a connection string, or run:\n{}",
        identity_commands(names, monitored_key, indexed_fields)
    );
    Error::new(ErrorKind::Forbidden, "provisioning", message)
}

/// The Azure CLI commands that create the same database and containers, for users without an account key.
fn identity_commands(names: &ContainerNames, monitored_key: &[KeyPath], indexed_fields: &[IndexedField]) -> String {
    let mut commands = vec![format!("az cosmosdb sql database create {AZ_ACCOUNT} --name {}", names.database)];
    for role in Role::ALL {
        let spec = container_spec(role, names, monitored_key, indexed_fields);
        commands.push(container_command(&names.database, &spec));
    }
    commands.join("\n")
}

/// The Azure CLI command that creates a container. `az cosmosdb sql container create` has no hierarchical keys, so these are sent to
/// the resource provider.
fn container_command(database: &str, spec: &ContainerSpec) -> String {
    let name = &spec.name;
    let paths: Vec<String> = spec.key_paths.iter().map(ToString::to_string).collect();
    if let [path] = paths.as_slice() {
        let index = spec.index.to_json().map(|policy| format!(" --idx {}", shell_argument(&policy.to_string())));
        return format!(
            "az cosmosdb sql container create {AZ_ACCOUNT} --database-name {database} --name {name} --partition-key-path {} --ttl -1{}",
            shell_argument(path),
            index.unwrap_or_default()
        );
    }
    let mut resource = json!({
        "id": name,
        "partitionKey": {"paths": paths, "kind": "MultiHash", "version": 2},
        "defaultTtl": -1,
    });
    if let Some(policy) = spec.index.to_json() {
        resource["indexingPolicy"] = policy;
    }
    // The Azure CLI fills in the subscription.
    let url = format!(
        "/subscriptions/{{subscriptionId}}/resourceGroups/<group>/providers/Microsoft.DocumentDB/databaseAccounts/<account>\
         /sqlDatabases/{database}/containers/{name}?api-version={API_VERSION}"
    );
    let body = json!({"properties": {"resource": resource}}).to_string();
    format!("az rest --method put --url {} --body {}", shell_argument(&url), shell_argument(&body))
}

/// A text as one argument in a shell: in quotes if it has characters with a meaning there.
fn shell_argument(text: &str) -> String {
    if text.chars().all(|character| character.is_alphanumeric() || "/_-.".contains(character)) {
        return text.to_owned();
    }
    format!("'{}'", text.split('\'').collect::<Vec<_>>().join("'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> ContainerNames {
        let name = str::to_owned;
        ContainerNames {
            database: name("db"),
            monitored: name("events"),
            changes: name("changes"),
            leases: name("leases"),
            jobs: name("jobs"),
            dead_letters: name("dead-letters"),
        }
    }

    #[test]
    fn the_commands_create_each_container_with_its_own_index_policy() {
        let fields = IndexedField::parse_list("city_name").expect("fields");
        let key = [KeyPath::property("pk")];
        let commands = identity_commands(&names(), &key, &fields);
        for role in Role::ALL {
            let spec = container_spec(role, &names(), &key, &fields);
            let name = &spec.name;
            let is_named = |line: &&str| {
                line.contains(&format!(" --name {name} ")) || line.contains(&format!("/containers/{name}?"))
            };
            let command = commands.lines().find(is_named).unwrap_or_else(|| panic!("{role:?}: {commands}"));
            match spec.index.to_json() {
                None => assert!(!command.contains("--idx"), "{command}"),
                Some(policy) if role == Role::Changes => {
                    assert!(command.ends_with(&format!("\"indexingPolicy\":{policy}}}}}}}'")), "{command}");
                }
                Some(policy) => assert!(command.ends_with(&format!(" --idx '{policy}'")), "{command}"),
            }
        }
        let changes = commands.lines().find(|line| line.contains("/containers/changes?")).expect("a command");
        assert!(changes.contains(r#""partitionKey":{"paths":["/pk","/sourceId"],"kind":"MultiHash","version":2}"#));
        let indexed = r#""includedPaths":[{"path":"/pk/?"},"#;
        assert!(changes.contains(indexed) && changes.contains(r#"{"path":"/document/\"city_name\"/?"}]"#), "{changes}");
        assert!(changes.contains(r#""excludedPaths":[{"path":"/*"}]"#), "{changes}");
    }

    #[test]
    fn a_key_path_with_quotes_is_one_argument_of_the_command() {
        let paths = |texts: &[&str]| texts.iter().map(|path| path.parse().expect("a path")).collect::<Vec<KeyPath>>();
        let commands = identity_commands(&names(), &paths(&[r#"/"a b""#]), &[]);
        assert!(commands.contains(r#"--partition-key-path '/"a b"' --ttl -1"#), "{commands}");
        let commands = identity_commands(&names(), &paths(&[r#"/"a b""#, "/'it'/c", "/d"]), &[]);
        let expected = r#""paths":["/\"a b\"","/'\''it'\''/c","/d"]"#;
        assert!(commands.contains(expected), "{commands}");
    }

    #[test]
    fn the_changes_container_indexes_the_paths_of_queries_and_the_chosen_fields() {
        let indexes = changes_indexes(&IndexedField::parse_list("city_name,address.\"zip code\"").expect("fields"));
        assert_eq!(
            indexes[CHANGES_INDEXES.len()..],
            ["/document/\"city_name\"/?", "/document/\"address\"/\"zip code\"/?"]
        );
        assert!(indexes.contains(&"/sourceTs/?".to_owned()));
        let elements = changes_indexes(&IndexedField::parse_list("lines.0,lines.1,lines.0").expect("fields"));
        assert_eq!(
            elements[CHANGES_INDEXES.len()..],
            ["/document/\"lines\"/\"0\"/?", "/document/\"lines\"/[]/?", "/document/\"lines\"/\"1\"/?"]
        );
    }
}
