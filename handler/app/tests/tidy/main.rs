//! Checks the invariants of ARCHITECTURE.md that a program can check, and the conventions of this repository.
//!
//! Each check is a function over paths and texts and returns what it found. A test runs it on the tree and expects nothing;
//! another runs it on planted violations and expects them, with their paths and lines.

mod circles;
mod crates;
mod documents;
mod rust_source;
mod sdk;
mod sizes;
mod tree;
mod versions;
mod words;
