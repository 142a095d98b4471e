//! Undoes what selected versions changed in a document, and keeps what later versions changed.
//!
//! [`DocumentWindow`] has the versions of one document around a time window; [`DocumentWindow::undo`] decides what a restore does with the
//! document. Nothing is read or written here.

mod document_window;
#[cfg(test)]
mod model;
mod replay;
#[cfg(test)]
mod rules;
mod states;
#[cfg(test)]
mod story;
mod tree;
mod undo;
mod window_version;

pub use document_window::DocumentWindow;
pub use undo::{LaterChanges, Undo, UndoAction, UndoOptions};
pub use window_version::{Base, WindowVersion};
