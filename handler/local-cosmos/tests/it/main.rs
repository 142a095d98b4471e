//! The endpoint over the wire, as its clients see it.

mod all_versions;
mod endpoint;
mod item_rules;
mod rest;
mod scene;
mod topology;
