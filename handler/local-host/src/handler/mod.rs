//! The handler process: started, found ready, watched, started again, killed.
//!
//! One task owns the process; everybody else sees its state and can ask for a restart. The port stays the same over
//! restarts. An exit is judged by its code, as the real host does: 0 is the handler's own wish and nothing starts it
//! again, 200 asks for another process, everything else is an error and counts. A handler is never asked to end: it is
//! killed.

mod arguments;
mod command;
mod handle;
mod output;
mod process;
mod readiness;
mod restart_rule;
mod state;

pub(crate) use command::HandlerCommand;
pub(crate) use handle::{Handler, HandlerSettings};
pub(crate) use output::OutputReader;
