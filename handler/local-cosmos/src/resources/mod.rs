//! The resources of an account: databases, containers, offers and partition key ranges, with their definitions.

mod account;
mod address;
mod container_policies;
mod definition;
mod hash_space;
mod indexing_policy;
mod kinds;
mod name;
mod offer;
mod partition_key;
mod policy_path;
mod ranges;
mod refusal;
mod resource_id;
mod throughput;
mod unique_key;

pub(crate) use address::{Address, ContainerPath, Resource};
pub(crate) use definition::ContainerDefinition;
pub(crate) use ranges::{Range, Ranges};
pub(crate) use refusal::Refusal;
pub(crate) use resource_id::ContainerRid;
