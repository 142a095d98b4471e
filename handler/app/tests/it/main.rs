//! The whole program over the real wire: the executable against the embedded endpoint.

mod backup_blobs;
mod backup_commands;
mod backups;
mod capture;
mod commands;
mod contract;
mod davidson;
mod dead_letters;
mod faults;
mod jobs;
mod jobs_model;
mod local;
mod met_once;
mod model;
mod process;
mod refusals;
mod restore;
mod restore_model;
mod retention;
mod retention_model;
mod run_jobs;
mod support;
mod verify;
mod verify_model;
mod verify_story;
