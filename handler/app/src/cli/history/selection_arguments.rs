//! Which versions: those of a window, with conditions.

use anyhow::Result;
use changefeed_history::{ChangeOrder, Filter, Operation, VersionFilter, Window};
use chrono::Utc;
use clap::{Args, ValueEnum};

use crate::cli::window_arguments::WindowArguments;

/// Which versions.
#[derive(Debug, Args)]
pub struct SelectionArguments {
    #[command(flatten)]
    pub window: WindowArguments,
    /// Only this operation; if repeated, any of them
    #[arg(long = "operation", value_enum)]
    operations: Vec<OperationName>,
    /// Filter, such as city_name=Davidson; if repeated, all must match
    #[arg(long = "filter", value_name = "FILTER", value_parser = Filter::parse)]
    filters: Vec<Filter>,
    /// Only versions of this actor
    #[arg(long, value_name = "NAME")]
    actor: Option<String>,
}

// Without doc comments, so that the help stays in its short form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum OperationName {
    Write,
    Create,
    Replace,
    Delete,
    Expire,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum OrderName {
    Newest,
    Oldest,
}

impl From<OrderName> for ChangeOrder {
    fn from(order: OrderName) -> Self {
        match order {
            OrderName::Newest => Self::Newest,
            OrderName::Oldest => Self::Oldest,
        }
    }
}

impl SelectionArguments {
    /// The versions that were named. `for_humans`: the window is printed first.
    pub fn select(&self, for_humans: bool) -> Result<VersionFilter> {
        Ok(self.select_in(self.window.window(for_humans)?))
    }

    /// The versions that were named, of the window of a continuation, which counts instead of the times of the arguments.
    pub fn select_continued(&self) -> VersionFilter {
        self.select_in(Window::until(Utc::now()))
    }

    fn select_in(&self, window: Window) -> VersionFilter {
        let operation = |name: &OperationName| match name {
            OperationName::Write => Operation::Write,
            OperationName::Create => Operation::Create,
            OperationName::Replace => Operation::Replace,
            OperationName::Delete => Operation::Delete,
            OperationName::Expire => Operation::Expire,
        };
        VersionFilter {
            window,
            operations: self.operations.iter().map(operation).collect(),
            filters: self.filters.clone(),
            actor: self.actor.clone(),
        }
    }
}
