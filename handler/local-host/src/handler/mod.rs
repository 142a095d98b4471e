//! The handler process: starting it, detecting that it is ready, restarting it, killing it.
//!
//! One task owns the process; the others observe its state and may request a restart. The port does not change. The exit
//! code decides what follows, as in the real host: 0 is final, 200 asks for a restart, and anything else is an error that
//! counts towards the restart limit. The host never asks a handler to end: it kills it.

mod arguments;
mod command;
mod handle;
mod output;
mod restart_rule;
mod state;
mod supervisor;

pub(crate) use command::HandlerCommand;
pub(crate) use handle::{HOST_VERSION, Handler, HandlerSettings};
pub(crate) use output::OutputReader;
