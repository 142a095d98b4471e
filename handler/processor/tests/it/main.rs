//! The processor against the embedded endpoint, over HTTP.

mod balance;
mod callbacks;
mod captured_log;
mod chaos;
mod configuration;
mod dotnet;
mod handled_log;
mod isolated;
mod latest_version;
mod lease_set;
mod leases;
mod manual;
mod orphans;
mod processor;
mod recovery;
mod shop;
mod topology;
mod trigger_deliveries;
mod unreadable;
