//! The items of a container: physical partitions, the order of the writes, and transactions.

mod change_log;
mod entry;
mod page;
mod partition;
mod sort_index;
mod store;
mod transaction;
mod unique_keys;
mod version_log;

pub(crate) use change_log::Start;
pub(crate) use entry::Entry;
pub(crate) use page::PageLimit;
pub(crate) use partition::Partition;
pub(crate) use sort_index::SortOrder;
pub(crate) use store::{Contents, SYSTEM_PROPERTIES, Store};
pub(crate) use transaction::{Draft, Transaction};
pub(crate) use unique_keys::UniqueKeys;
pub(crate) use version_log::{Change, Removal, Version};
