//! How far long work is.

/// Told how many of how many items are done; called often, from one task at a time.
pub type Progress<'a> = &'a (dyn Fn(u64, u64) + Sync);
