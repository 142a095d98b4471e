//! The items of a container: physical partitions, the order of the writes, and transactions.

mod change_log;
mod contents;
mod draft;
mod entry;
mod page;
mod partition;
mod persistence;
mod sort_index;
mod sorted_scan;
mod transaction;
mod unique_keys;
mod version_log;

pub(crate) use change_log::Start;
pub(crate) use contents::{Contents, SYSTEM_PROPERTIES, Store};
pub(crate) use draft::Draft;
pub(crate) use entry::Entry;
pub(crate) use page::PageLimit;
pub(crate) use partition::Partition;
pub(crate) use persistence::{Persistence, PersistenceError};
pub(crate) use sort_index::SortOrder;
pub(crate) use transaction::Transaction;
pub(crate) use unique_keys::UniqueKeys;
pub(crate) use version_log::{Change, Removal, Version};
