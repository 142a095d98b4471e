//! The processor over the wire, against the embedded endpoint.

mod leases;
mod log_book;
mod processor;
mod shop;
mod unreadable;
