//! What happened in a window of time: the versions of the history, marked where a restore wrote them.

mod activity;
mod changes;
mod marks;
mod reader;

pub use activity::{WindowActivity, WindowActivityRequest};
pub use changes::{MarkedChange, MarkedChanges, WindowChangesRequest};
pub use reader::WindowReader;
