//! What standard output and standard error can show: their width, and whether they show colors.
//!
//! The flags say so, or the environment (`COLUMNS`, `NO_COLOR`, `CLICOLOR_FORCE`), or the terminal. What is not a terminal has no width
//! and no colors.

use std::io::IsTerminal;
use std::sync::OnceLock;

use anstream::AutoStream;
use clap::{Args, ColorChoice};

/// How tables are shown.
#[derive(Debug, Args)]
#[command(next_help_heading = "Display")]
pub struct TerminalArguments {
    /// Show tables in full, also where they are wider than the terminal
    #[arg(long, global = true)]
    wide: bool,
    /// When to use colors; auto: on a terminal, unless NO_COLOR is set
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    color: ColorChoice,
}

#[derive(Clone, Copy, Debug, Default)]
struct Terminal {
    is_wide: bool,
    width: Option<usize>,
    has_color: bool,
    has_color_of_errors: bool,
}

static TERMINAL: OnceLock<Terminal> = OnceLock::new();

impl TerminalArguments {
    /// Sets what this command shows, once.
    pub fn apply(&self) {
        TERMINAL.get_or_init(|| Terminal {
            is_wide: self.wide,
            width: if self.wide { None } else { columns() },
            has_color: is_colored(&std::io::stdout(), self.color),
            has_color_of_errors: is_colored(&std::io::stderr(), self.color),
        });
    }
}

/// The characters of a line of standard output; `None` where lines have no end.
pub fn width() -> Option<usize> {
    TERMINAL.get().and_then(|terminal| terminal.width)
}

/// Whether everything is shown in full.
pub fn is_wide() -> bool {
    TERMINAL.get().is_some_and(|terminal| terminal.is_wide)
}

/// Whether standard output shows colors.
pub fn has_color() -> bool {
    TERMINAL.get().is_some_and(|terminal| terminal.has_color)
}

/// Whether standard error shows colors.
pub fn has_color_of_errors() -> bool {
    TERMINAL.get().is_some_and(|terminal| terminal.has_color_of_errors)
}

fn is_colored<S: anstream::stream::RawStream>(stream: &S, choice: ColorChoice) -> bool {
    match choice {
        ColorChoice::Always => true,
        ColorChoice::Never => false,
        ColorChoice::Auto => AutoStream::choice(stream) != anstream::ColorChoice::Never,
    }
}

fn columns() -> Option<usize> {
    let stdout = std::io::stdout();
    if !stdout.is_terminal() {
        return None;
    }
    let given = std::env::var("COLUMNS").ok().and_then(|text| text.trim().parse().ok());
    let of_terminal = || terminal_size::terminal_size_of(stdout).map(|(width, _)| usize::from(width.0));
    given.filter(|columns| *columns > 0).or_else(of_terminal).filter(|columns| *columns > 0)
}
