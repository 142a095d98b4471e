//! Creates databases and containers. Only account keys can do so.

use azure_data_cosmos::CosmosError;
use azure_data_cosmos::clients::ContainerClient;
use azure_data_cosmos::models::{
    ContainerProperties, IndexingMode, IndexingPolicy, PartitionKeyDefinition, TimeToLive,
};
use serde_json::{Value, json};

use crate::account::Account;
use crate::definition::{Indexes, read_properties};
use crate::error::Error;
use crate::key_path::KeyPath;
use crate::resource_name::{InvalidName, ResourceName};

/// What a container indexes: the one value that the SDK call and the Azure CLI text are made of.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct IndexPolicy {
    /// The only paths to index (`/a/?`); every path when there are none.
    pub indexed_paths: Vec<String>,
}

impl IndexPolicy {
    /// The policy as the service's JSON; `None` where the service's default applies.
    pub fn to_json(&self) -> Option<Value> {
        self.to_sdk().map(|policy| json!(policy))
    }

    fn to_sdk(&self) -> Option<IndexingPolicy> {
        if self.indexed_paths.is_empty() {
            return None;
        }
        let mut policy = IndexingPolicy::default().with_indexing_mode(IndexingMode::Consistent);
        policy.automatic = true;
        for path in &self.indexed_paths {
            policy = policy.with_included_path(path.clone());
        }
        Some(policy.with_excluded_path("/*"))
    }
}

/// How a container is created. Time to live is always on, without a default.
#[derive(Clone, Debug)]
pub struct ContainerSpec {
    /// Its name.
    pub name: String,
    /// One path, or the levels of a hierarchical key.
    pub key_paths: Vec<KeyPath>,
    /// What it indexes.
    pub index: IndexPolicy,
}

/// The outcome of a creation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Created {
    /// It is new.
    Now,
    /// It existed before and is unchanged.
    Before,
}

/// Creates a database unless it exists.
///
/// # Errors
/// [`Invalid`](crate::ErrorKind::Invalid) for a text that is not a name, and as the service answers.
pub async fn create_database(account: &Account, name: &str) -> Result<Created, Error> {
    valid(name)?;
    let response = Box::pin(account.client().await?.sdk().create_database(name, None)).await;
    outcome(response, format!("creating database {name}"))
}

/// Creates a container unless it exists.
///
/// # Errors
/// [`Invalid`](crate::ErrorKind::Invalid) for a text that is not a name, and as the service answers.
pub async fn create_container(account: &Account, database: &str, spec: &ContainerSpec) -> Result<Created, Error> {
    create(account, database, spec, Some(TimeToLive::NoDefault)).await
}

/// Creates a container whose items never expire, whatever time to live they have, unless it exists.
///
/// # Errors
/// As [`create_container`].
pub async fn create_container_without_expiry(
    account: &Account,
    database: &str,
    spec: &ContainerSpec,
) -> Result<Created, Error> {
    create(account, database, spec, None).await
}

async fn create(
    account: &Account,
    database: &str,
    spec: &ContainerSpec,
    time_to_live: Option<TimeToLive>,
) -> Result<Created, Error> {
    valid(database)?;
    valid(&spec.name)?;
    let key = PartitionKeyDefinition::new(spec.key_paths.iter().map(|path| path.to_string().into()).collect());
    let mut properties = ContainerProperties::new(spec.name.clone(), key);
    if let Some(time_to_live) = time_to_live {
        properties = properties.with_default_ttl(time_to_live);
    }
    if let Some(policy) = spec.index.to_sdk() {
        properties = properties.with_indexing_policy(policy);
    }
    let database_client = account.client().await?.sdk().database_client(database.to_owned());
    let response = Box::pin(database_client.create_container(properties, None)).await;
    outcome(response, format!("creating container {} of database {database}", spec.name))
}

/// Deletes a container with its items, if it exists.
///
/// # Errors
/// [`Invalid`](crate::ErrorKind::Invalid) for a text that is not a name, and as the service answers.
pub async fn delete_container(account: &Account, database: &str, name: &str) -> Result<(), Error> {
    valid(database)?;
    valid(name)?;
    let database_client = account.client().await?.sdk().database_client(database.to_owned());
    let deleted = async { Box::pin(database_client.container_client(name.to_owned(), None)).await?.delete(None).await };
    match deleted.await {
        Err(error) if !error.status().is_not_found() => {
            Err(Error::of_write(format!("deleting container {name} of database {database}"), error))
        }
        _ => Ok(()),
    }
}

/// Paths to add to the index policy of a container.
pub struct IndexUpdate {
    /// The paths; at least one.
    pub added: Vec<String>,
    client: ContainerClient,
    properties: ContainerProperties,
}

impl IndexUpdate {
    /// What a container with these indexes lacks; `None` where nothing is missing.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) for a text that is not a name, and when the container cannot be read.
    pub async fn of(
        account: &Account,
        database: &str,
        container: &str,
        index: &IndexPolicy,
    ) -> Result<Option<Self>, Error> {
        valid(database)?;
        valid(container)?;
        let action = format!("reading container {container} of database {database}");
        let failed = |error| Error::from_sdk(action.clone(), error);
        let database_client = account.client().await?.sdk().database_client(database.to_owned());
        let client = Box::pin(database_client.container_client(container.to_owned(), None)).await.map_err(failed)?;
        let mut properties = read_properties(&client, &action).await?;
        let indexes = Indexes::of(&properties);
        let added: Vec<String> = indexes.missing(&index.indexed_paths).into_iter().cloned().collect();
        let Some(policy) = properties.indexing_policy.take().filter(|_| !added.is_empty()) else { return Ok(None) };
        let policy = added.iter().fold(policy, |policy, path| policy.with_included_path(path.clone()));
        Ok(Some(Self { added, client, properties: properties.with_indexing_policy(policy) }))
    }

    /// The whole policy with the added paths, as the service's JSON.
    pub fn policy(&self) -> Value {
        json!(self.properties.indexing_policy)
    }

    /// Replaces the policy. The service then indexes the items in the background.
    ///
    /// # Errors
    /// As the service answers: only account keys can change a container.
    pub async fn apply(&self) -> Result<(), Error> {
        let replaced = Box::pin(self.client.replace(self.properties.clone(), None)).await;
        let action = || format!("updating the index policy of container {}", self.properties.id);
        replaced.map(drop).map_err(|error| Error::of_write(action(), error))
    }
}

fn valid(name: &str) -> Result<ResourceName, Error> {
    name.parse().map_err(|error: InvalidName| Error::invalid("creating a database or a container", error.to_string()))
}

fn outcome<T>(response: Result<T, CosmosError>, action: String) -> Result<Created, Error> {
    match response {
        Ok(_) => Ok(Created::Now),
        Err(error) if error.status().is_conflict() => Ok(Created::Before),
        Err(error) => Err(Error::of_write(action, error)),
    }
}
