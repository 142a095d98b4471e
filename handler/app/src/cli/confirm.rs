//! Questions before destructive work.

use std::io::{BufRead, IsTerminal, Write};

use anyhow::{Result, bail};

/// Asks on the terminal; anything but yes ends the command, saying that `declined`.
pub fn confirm(question: &str, declined: &str) -> Result<()> {
    if !std::io::stdin().is_terminal() {
        bail!("{question} There is no terminal to ask on: give --yes");
    }
    eprint!("{question} [y/N] ");
    std::io::stderr().flush()?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    if !matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes") {
        bail!("{declined}");
    }
    Ok(())
}
