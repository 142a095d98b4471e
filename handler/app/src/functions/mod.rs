//! The functions that the host calls, one file each.

pub mod activity;
pub mod backup_policy;
pub mod backups;
pub mod capture;
pub mod changes;
pub mod dead_letters;
pub mod digests;
pub mod erasures;
pub mod history;
mod joint_restores;
pub mod metrics;
pub mod populate;
pub mod query;
pub mod restores;
pub mod retention;
pub mod run_jobs;
pub mod status;
pub mod truncate;
pub mod verify;
pub mod watch_leases;
