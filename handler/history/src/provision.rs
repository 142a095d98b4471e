//! Makes the database and the containers. What is there already is left as it is.

use serde::Serialize;

use crate::cosmos::{ContainerSpec, Created, Error, ErrorKind, create_container, create_database};
use crate::store::{ContainerNames, Role, Store};

/// A database or container, and whether it is new.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Provisioned {
    /// `database` or `container`.
    pub kind: &'static str,
    /// Its name.
    pub name: String,
    /// Whether it was made now.
    pub created: bool,
}

impl Store {
    /// Makes what is missing of the database and the containers; the monitored one is partitioned by `monitored_key`.
    ///
    /// # Errors
    /// [`ErrorKind::Forbidden`] with an identity: only account keys may make databases and containers. The message says
    /// what to run instead.
    pub async fn provision(&self, monitored_key: &[String]) -> Result<Vec<Provisioned>, Error> {
        let names = &self.names;
        let database = create_database(&self.account, &names.database)
            .await
            .map_err(|error| explained(error, names, monitored_key))?;
        let provisioned =
            |kind, name: &str, created| Provisioned { kind, name: name.to_owned(), created: created == Created::Now };
        let mut all = vec![provisioned("database", &names.database, database)];
        for role in Role::ALL {
            let spec = spec(role, names, monitored_key, &self.options.indexed_fields);
            let created = create_container(&self.account, &names.database, &spec).await;
            all.push(provisioned(
                "container",
                &spec.name,
                created.map_err(|error| explained(error, names, monitored_key))?,
            ));
        }
        Ok(all)
    }
}

fn spec(role: Role, names: &ContainerNames, monitored_key: &[String], indexed_fields: &[String]) -> ContainerSpec {
    let name = names.of(role).to_owned();
    let key_paths = match role {
        Role::Monitored => monitored_key.to_vec(),
        // A hot document's history is not held to the 20 GB of a logical partition.
        Role::Changes => vec!["/pk".to_owned(), "/sourceId".to_owned()],
        Role::Leases | Role::Jobs | Role::DeadLetters => vec!["/id".to_owned()],
    };
    let (indexed_paths, ordered_paths) = match role {
        Role::Changes => (changes_indexes(indexed_fields), vec![["/sourceTs", "/lsn"]]),
        Role::DeadLetters => (vec!["/reason/?".to_owned(), "/capturedAt/?".to_owned()], Vec::new()),
        // Pages of items are large, and only asked for by what they belong to.
        Role::Jobs => {
            (["/kind/?", "/state/?", "/startedAt/?", "/jobId/?", "/partOf/?"].map(str::to_owned).to_vec(), Vec::new())
        }
        Role::Monitored | Role::Leases => (Vec::new(), Vec::new()),
    };
    ContainerSpec { name, key_paths, indexed_paths, ordered_paths }
}

/// Only what the history is asked by: it halves the cost of a version.
fn changes_indexes(indexed_fields: &[String]) -> Vec<String> {
    let own = ["/sourceId/?", "/sourceTs/?", "/lsn/?", "/operation/?", "/expiresAt/?"].map(str::to_owned);
    let field = |field: &String| {
        let segments: String = field.split('.').map(|name| format!("\"{name}\"/")).collect();
        format!("/document/{segments}?")
    };
    own.into_iter().chain(indexed_fields.iter().map(field)).collect()
}

fn explained(error: Error, names: &ContainerNames, monitored_key: &[String]) -> Error {
    if error.kind() != ErrorKind::Forbidden {
        return error;
    }
    let message = format!(
        "{error}\nDatabases and containers can be made with an account key, not with an identity. Use a connection string, or run:\n{}",
        identity_commands(names, monitored_key)
    );
    Error::new(ErrorKind::Forbidden, "provisioning", message)
}

/// The Azure CLI commands that make the same database and containers for an identity, which cannot.
pub fn identity_commands(names: &ContainerNames, monitored_key: &[String]) -> String {
    let account = "--account-name <account> --resource-group <group>";
    let mut commands = vec![format!("az cosmosdb sql database create {account} --name {}", names.database)];
    for role in Role::ALL {
        let spec = spec(role, names, monitored_key, &[]);
        let key = match spec.key_paths.as_slice() {
            [only] => format!("--partition-key-path {only}"),
            levels => format!("--partition-key-path {} --partition-key-kind MultiHash", levels.join(" ")),
        };
        commands.push(format!(
            "az cosmosdb sql container create {account} --database-name {} --name {} {key} --ttl -1",
            names.database, spec.name
        ));
    }
    commands.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_changes_container_indexes_what_is_asked_by_and_the_fields_that_are_named() {
        let indexes = changes_indexes(&["city_name".to_owned(), "address.zip code".to_owned()]);
        assert_eq!(indexes[5..], ["/document/\"city_name\"/?", "/document/\"address\"/\"zip code\"/?"]);
        assert!(indexes.contains(&"/sourceTs/?".to_owned()));
    }
}
