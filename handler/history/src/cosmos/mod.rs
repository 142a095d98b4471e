//! The only place of this crate that names the types of the Cosmos DB SDK.

mod account;
mod container;
mod error;
mod key;
mod management;
mod meter;
mod range;

pub(crate) use account::Account;
pub use account::{Client, Connect};
pub(crate) use container::{Container, Page, Written};
pub use error::{Error, ErrorKind};
pub use key::{Key, KeyComponent};
pub(crate) use management::{ContainerSpec, Created, create_container, create_database};
pub(crate) use meter::Meter;
pub(crate) use range::{KeyRange, cut};
