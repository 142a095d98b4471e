//! Scans the documents that a job may select, each exactly once, in bounded memory.

mod document_scan;
mod live_row;
mod query_versions;
mod scan_state;

pub(crate) use document_scan::{DocumentScan, ScannedDocument};
pub(crate) use live_row::{LiveRow, select_live};
pub(crate) use query_versions::query_versions;
pub(crate) use scan_state::{RecentStates, ScanState};
