//! The client layer of Azure Cosmos DB: connections, containers, items, keys, queries, errors and retries.
//!
//! This crate, the part of the change feed processor that reads the feed, and the embedded endpoint are the only places that
//! name the types of the SDK. Everything starts from an [`Account`], which connects when a request first needs it, and a
//! [`LazyContainer`], which reads its definition when a request first needs it and keeps it up to date.

mod account;
mod all_versions;
mod batch;
mod bulk;
mod bulk_answer;
mod capacity;
mod change_feed;
mod client;
mod clock;
mod connection;
mod container;
mod definition;
mod deletion;
mod document_name;
mod error;
mod feed_token;
mod field_path;
mod field_pattern;
mod gateway;
mod idempotency_key;
mod item_address;
mod key;
mod key_path;
mod key_range;
mod large_values;
mod lazy_container;
mod limits;
mod log_filter;
mod management;
mod meter;
mod newest_first;
mod page_token;
mod partitions_of_keys;
mod query;
mod query_name;
mod random;
mod range_ids;
mod read_many;
mod read_together;
mod record_id;
mod resource_name;
mod retry;
mod scope;
mod single_batch;
mod source_name;
mod system_properties;
mod time_to_live;

pub use account::{Account, Connect};
pub use all_versions::Changes;
pub use batch::BatchWrite;
pub use bulk::WriteInBulk;
pub use capacity::Usage;
pub use change_feed::{FeedItem, FeedPage, FeedStart};
pub use client::{Client, connect};
pub use clock::{Clock, ManualClock, later};
pub use connection::{Connection, ConnectionString, EndpointUrl, Identity, TokenCredential, token_credential};

pub use container::{Container, Stored, Written, to_item};
pub use definition::{Definition, Indexes};
pub use deletion::Deletion;
pub use document_name::{DocumentName, key_components, read_id_and_key, select_id_and_key};
pub use error::{Error, ErrorKind};
pub use feed_token::{feed_parts, feed_token, session_lsn};
pub use field_path::FieldPath;
pub use field_pattern::FieldPattern;
pub use idempotency_key::{IdempotencyKey, REMEMBERED_SECONDS};
pub use item_address::printable;
pub use key::{Key, KeyComponent, KeyNumber};
pub use key_path::{KeyPath, display_key_paths};
pub use key_range::{KeyRange, split_ranges};
pub use large_values::{Item, compress, decompress, digest, parts_prefix, reassemble, split_large_record};
pub use lazy_container::LazyContainer;
pub use limits::{MAX_DOCUMENT_BYTES, MAX_FAN_OUT, MAX_ID_BYTES, MAX_KEY_BYTES, MAX_PAGE_ITEMS, MAX_RECORD_BYTES};
pub use log_filter::{COMMAND_LOG_FILTER, SERVING_LOG_FILTER};
pub use management::{
    ContainerSpec, Created, IndexPolicy, IndexUpdate, create_container, create_container_without_expiry,
    create_database, delete_container,
};
pub use meter::{Background, Meter};
pub use newest_first::NewestFirst;
pub use page_token::{PageRequest, page_items, page_token, read_page_token};
pub use query::Page;
#[cfg(feature = "simulation")]
pub use random::seed_random;
pub use random::{random_u32, random_u64};
pub use read_many::MAX_TOGETHER;
pub use record_id::check_record_id;
pub use resource_name::{InvalidName, NAME_GRAMMAR, ResourceName};
pub use retry::{pause_before_retry, retry};
pub use source_name::{InvalidSourceName, SOURCE_NAME_GRAMMAR, SourceName};
pub use system_properties::{FEED_LSN, SYSTEM_PROPERTIES, timestamp, without_system_properties};
pub use time_to_live::{expires_at, own_ttl};
