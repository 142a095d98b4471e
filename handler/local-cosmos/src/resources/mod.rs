//! The resources of an account: databases, containers, offers and partition key ranges, with their definitions.

mod address;
mod hash_space;
mod kinds;
mod ranges;
mod refusal;
mod resource_id;
