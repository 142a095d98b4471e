//! The endpoint over the wire, as its clients see it.

mod all_versions;
mod control;
mod endpoint;
mod item_rules;
mod model;
mod rest;
mod scene;
mod topology;
