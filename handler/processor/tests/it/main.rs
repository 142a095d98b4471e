//! The processor over the wire, against the embedded endpoint.

mod balance;
mod chaos;
mod dotnet;
mod isolated;
mod lease_set;
mod leases;
mod log_book;
mod manual;
mod processor;
mod shop;
mod story;
mod topology;
mod unreadable;
