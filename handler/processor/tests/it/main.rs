//! The processor against the embedded endpoint, over HTTP.

mod balance;
mod captured_log;
mod chaos;
mod dotnet;
mod isolated;
mod lease_set;
mod leases;
mod manual;
mod processor;
mod shop;
mod story;
mod topology;
mod unreadable;
