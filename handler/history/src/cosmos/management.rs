//! Databases and containers are made here. Only account keys can do so.

use azure_data_cosmos::CosmosError;
use azure_data_cosmos::models::{
    CompositeIndex, CompositeIndexOrder, CompositeIndexProperty, ContainerProperties, IndexingMode, IndexingPolicy,
    PartitionKeyDefinition, TimeToLive,
};

use super::account::Account;
use super::error::Error;

/// How a container is made. Time to live is always on, without a default.
#[derive(Clone, Debug)]
pub(crate) struct ContainerSpec {
    pub name: String,
    /// One path, or the levels of a hierarchical key.
    pub key_paths: Vec<String>,
    /// The only paths to index (`/a/?`); all when there are none.
    pub indexed_paths: Vec<String>,
    /// Pairs of paths to order by, both ascending and both descending.
    pub ordered_paths: Vec<[&'static str; 2]>,
}

/// What making something that may be there already did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Created {
    Now,
    Before,
}

pub(crate) async fn create_database(account: &Account, name: &str) -> Result<Created, Error> {
    let response = account.client().await?.create_database(name, None).await;
    outcome(response, format!("creating database {name}"))
}

pub(crate) async fn create_container(
    account: &Account,
    database: &str,
    spec: &ContainerSpec,
) -> Result<Created, Error> {
    let key = PartitionKeyDefinition::new(spec.key_paths.iter().cloned().map(Into::into).collect());
    let mut properties = ContainerProperties::new(spec.name.clone(), key).with_default_ttl(TimeToLive::NoDefault);
    if !spec.indexed_paths.is_empty() {
        let mut policy = IndexingPolicy::default().with_indexing_mode(IndexingMode::Consistent);
        for path in &spec.indexed_paths {
            policy = policy.with_included_path(path.clone());
        }
        policy = policy.with_excluded_path("/*");
        for paths in &spec.ordered_paths {
            for order in [CompositeIndexOrder::Ascending, CompositeIndexOrder::Descending] {
                let property = |path: &str| CompositeIndexProperty::new(path.to_owned(), order.clone());
                let [first, second] = paths.map(property);
                policy =
                    policy.with_composite_index(CompositeIndex::default().with_property(first).with_property(second));
            }
        }
        properties = properties.with_indexing_policy(policy);
    }
    let database_client = account.client().await?.database_client(database.to_owned());
    let response = database_client.create_container(properties, None).await;
    outcome(response, format!("creating container {} of database {database}", spec.name))
}

fn outcome<T>(response: Result<T, CosmosError>, action: String) -> Result<Created, Error> {
    match response {
        Ok(_) => Ok(Created::Now),
        Err(error) if error.status().is_conflict() => Ok(Created::Before),
        Err(error) => Err(Error::from_sdk(action, error)),
    }
}
