//! Prompts before destructive work.

use std::io::{BufRead, IsTerminal};

use anyhow::{Result, bail};

use super::exit_code::Declined;
use super::standard_error::{note, question};
use super::time;
use crate::config::Settings;

/// What is asked.
pub struct Prompt<'a> {
    /// The container that is written to.
    pub container: &'a str,
    /// What will happen, with the number of documents, versions or leases.
    pub question: String,
    /// What was left undone when the answer is not yes.
    pub declined: &'static str,
}

/// Asks to type a text, so that no habit confirms. Names what [`confirm`] names.
///
/// # Errors
/// [`Declined`] for any other text; a plain error when standard input is not a terminal.
pub fn confirm_by_typing(settings: &Settings, prompt: Prompt<'_>, expected: &str) -> Result<()> {
    let declined = prompt.declined;
    let answer = ask(settings, &prompt, &prompt.question)?;
    if answer.trim() == expected { Ok(()) } else { Err(Declined(declined).into()) }
}

/// Asks on the terminal. Names the account, the database and the container that are meant, and what the given times mean.
///
/// # Errors
/// [`Declined`] for any other answer than `y` or `yes`; a plain error when standard input is not a terminal.
pub fn confirm(settings: &Settings, prompt: Prompt<'_>) -> Result<()> {
    let answer = ask(settings, &prompt, &format!("{} [y/N]", prompt.question))?;
    check(&answer, prompt.declined)
}

fn ask(settings: &Settings, prompt: &Prompt<'_>, text: &str) -> Result<String> {
    if !std::io::stdin().is_terminal() {
        bail!("{} Not a terminal; pass --yes to confirm", prompt.question);
    }
    note(format!("Container {} of database {}, {}", prompt.container, settings.names.database, settings.connection));
    time::print_interpretations();
    question(text);
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    Ok(answer)
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
