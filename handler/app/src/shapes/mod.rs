//! The JSON of requests and answers, for the description of the API.
//!
//! The types of `operations` and `history` make this JSON and know nothing of HTTP. These types only describe it, and are never
//! constructed. The tests check every answer against them.
//!
//! A field that can be absent and is never null has `required = false`. An `Option` can be null.

#![expect(dead_code, reason = "they describe JSON and are never constructed")]

pub mod backup_policy;
pub mod backups;
pub mod dead_letters;
pub mod digests;
pub mod documents;
pub mod erasures;
pub mod history;
pub mod jobs;
pub mod key;
pub mod parameters;
pub mod prune;
pub mod restores;
pub mod status;
pub mod verify;
pub mod windows;
