//! `changefeed completions` and `changefeed manual`: what shells and `man` know about the commands.

use std::path::Path;

use anyhow::{Context, Result};
use clap_complete::Shell;

use super::arguments::Arguments;
use super::exit_code::Exit;
use super::output::print_line;

/// Prints the completions of a shell.
pub fn completions(shell: Shell) -> Result<Exit> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::full_command(), "changefeed", &mut script);
    print_line(String::from_utf8_lossy(&script).trim_end())?;
    Ok(Exit::Done)
}

/// Writes the manual pages into a folder.
pub fn manual(folder: &Path) -> Result<Exit> {
    std::fs::create_dir_all(folder).with_context(|| format!("could not create folder {}", folder.display()))?;
    clap_mangen::generate_to(Arguments::full_command(), folder)
        .with_context(|| format!("could not write manual pages into {}", folder.display()))?;
    Ok(Exit::Done)
}
