//! The endpoint, tested over HTTP.

mod access;
mod all_versions;
mod any_ids;
mod bulk;
mod change_feed_model;
mod control;
mod deep_requests;
mod dotnet_needs;
mod dotnet_replay;
mod endpoint;
mod faults;
mod invalid_items;
mod many_partitions;
mod persistence;
mod queries;
mod recreated_container;
mod request_log;
mod rest;
mod scene;
mod sorted_queries;
mod topology;
mod wire;
mod wrong_values;
