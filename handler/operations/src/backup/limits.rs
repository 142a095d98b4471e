//! How long a backup is patient.

use std::time::Duration;

/// How long transient failures of a page are retried within a slice.
pub(super) const PAGE_PATIENCE: Duration = Duration::from_secs(20);
