//! The processor against the embedded endpoint, over HTTP.

mod balance;
mod captured_log;
mod chaos;
mod dotnet;
mod isolated;
mod latest_version;
mod lease_set;
mod leases;
mod manual;
mod processor;
mod shop;
mod topology;
mod unreadable;
