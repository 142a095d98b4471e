//! The endpoint, tested over HTTP.

mod all_versions;
mod control;
mod endpoint;
mod faults;
mod item_rules;
mod many_partitions;
mod model;
mod queries;
mod recreation;
mod requests;
mod rest;
mod scene;
mod topology;
