//! Scans the documents that a job may select, each exactly once, in bounded memory.

mod document_scan;
mod query_versions;
mod scan_state;

pub(crate) use document_scan::{Candidate, DocumentScan, ScannedDocument};
pub(crate) use query_versions::query_versions;
pub(crate) use scan_state::{RecentStates, ScanState};
