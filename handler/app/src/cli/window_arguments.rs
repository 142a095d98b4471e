//! A window of time on the command line.

use anyhow::Result;
use changefeed_history::{TimeExpression, Window};
use chrono::Utc;
use clap::Args;

use super::exit_code::UsageError;
use super::output::print_line;
use super::standard_error;
use super::time;

/// A window of time.
#[derive(Debug, Args)]
pub struct WindowArguments {
    /// Earliest time of a change; default: no limit
    #[arg(long, value_name = "TIME", visible_alias = "since", allow_hyphen_values = true, value_parser = time::parse)]
    from: Option<TimeExpression>,
    /// Latest time of a change; default: now
    #[arg(long, value_name = "TIME", visible_alias = "until", allow_hyphen_values = true, value_parser = time::parse)]
    to: Option<TimeExpression>,
}

impl WindowArguments {
    /// The window that was named. `for_humans`: it is printed first, so that people see how the times were read.
    pub fn window(&self, for_humans: bool) -> Result<Window> {
        let (window, warning) = Window::new(self.from, self.to, Utc::now()).map_err(UsageError)?;
        if let Some(warning) = warning {
            standard_error::warning(warning);
        }
        if for_humans {
            self.print(window)?;
        }
        Ok(window)
    }

    /// Prints a window that these arguments mean.
    pub fn print(&self, window: Window) -> Result<()> {
        let from = self.from.map_or_else(|| "the beginning".to_owned(), |_| time::of_second(window.from()));
        print_line(&format!("From {from} to {}", time::of_second(window.to())))
    }
}
