//! Tests of backups as files: written in several runs, read back, damaged, resumed by another writer.

mod blobs;
mod damage;
mod files;
mod json_files;
mod listing;
mod samples;
mod support;
mod writing;
