//! Stories of backups as files: written in turns, read back, damaged, continued by another writer.

mod blobs;
mod damage;
mod foreign;
mod listing;
mod samples;
mod shelf;
mod writing;
