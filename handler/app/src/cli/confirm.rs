//! Prompts before destructive work.

use std::io::{BufRead, IsTerminal, Write};

use anyhow::{Result, bail};

use super::exit_code::Declined;
use crate::config::Settings;

/// Asks on the terminal, and names the account, the database and the container that are meant. `declined` says what was left undone when the
/// answer is not yes.
///
/// # Errors
/// [`Declined`] for any other answer than `y` or `yes`; a plain error when standard input is not a terminal.
pub fn confirm(settings: &Settings, question: &str, declined: &'static str) -> Result<()> {
    if !std::io::stdin().is_terminal() {
        bail!("{question} Not a terminal; pass --yes to confirm");
    }
    let (names, account) = (&settings.names, &settings.connection);
    eprintln!("Container {} of database {}, {account}", names.monitored, names.database);
    eprint!("{question} [y/N] ");
    std::io::stderr().flush()?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    check(&answer, declined)
}

fn check(answer: &str, declined: &'static str) -> Result<()> {
    match answer.trim().to_ascii_lowercase().as_str() {
        "y" | "yes" => Ok(()),
        _ => Err(Declined(declined).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::exit_code::Exit;

    #[test]
    fn anything_but_yes_declines() {
        for yes in ["y\n", "Yes\n", " YES "] {
            assert!(check(yes, "nothing was deleted").is_ok(), "{yes:?}");
        }
        for no in ["", "\n", "n\n", "yes please\n"] {
            let error = check(no, "nothing was deleted").expect_err(no);
            assert_eq!((Exit::of_error(&error), error.to_string()), (Exit::Declined, "nothing was deleted".to_owned()));
        }
    }
}
