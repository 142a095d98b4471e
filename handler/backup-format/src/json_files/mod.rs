//! Documents in files that other tools wrote: JSON arrays, or one JSON object after another, plain or compressed with gzip
//! or zstd. The content of a file decides how it is read, not its name.
//!
//! Memory is bounded by the largest document that is allowed, whatever a file contains. Reading can stop after any document
//! and resume there later: immediately in a plain file, and after decompressing everything before it in a compressed one.

mod reader;
mod split;
mod unpack;

pub use reader::{JsonDocument, JsonFilesError, JsonFilesReader, ResumePoint};
