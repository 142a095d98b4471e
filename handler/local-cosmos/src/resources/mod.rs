//! The resources of an account: databases, containers, offers and partition key ranges, with their definitions.

pub(crate) mod account;
mod address;
mod catalog;
mod container;
mod container_data;
mod container_policies;
mod definition;
mod directory;
#[cfg(test)]
mod fake_account;
mod hash_space;
mod indexing_policy;
mod kinds;
mod name;
mod offer;
mod page;
mod partition_key;
mod policy_path;
mod ranges;
mod refusal;
mod requests;
mod resource_id;
mod search_policies;
mod stored;
mod throughput;
mod unique_key;

pub(crate) use address::{Address, ContainerPath, Resource};
pub(crate) use catalog::Missing;
pub(crate) use container::Container;
pub(crate) use container_data::{ContainerData, ContainerUsage, NewContainer};
pub(crate) use definition::ContainerDefinition;
pub(crate) use directory::Directory;
pub(crate) use indexing_policy::{CompositePath, IndexingMode, IndexingPolicy, Order};
pub(crate) use policy_path::{IndexStep, index_steps};
pub(crate) use ranges::{Range, Ranges};
pub(crate) use refusal::Refusal;
pub(crate) use requests::ListQuery;
pub(crate) use resource_id::{ContainerRid, DatabaseRid, DocumentRid};
pub(crate) use search_policies::VectorEmbedding;
