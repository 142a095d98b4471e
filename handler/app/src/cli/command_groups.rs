//! The list of commands in the main help, in groups.

use clap::Command;

/// The groups, and the commands of each in the order of the list.
pub const GROUPS: [(&str, &[&str]); 6] = [
    ("Read the history", &["history"]),
    ("Restore", &["restore", "backup"]),
    ("Run", &["provision", "serve", "process"]),
    (
        "Maintain",
        &[
            "status",
            "doctor",
            "source",
            "verify",
            "digest",
            "dead-letters",
            "leases",
            "switch-mode",
            "retention",
            "erase",
            "rehome",
        ],
    ),
    ("Try out", &["local", "populate", "query", "truncate"]),
    ("About the program", &["completions", "manual", "help"]),
];
/// What `changefeed help` does. clap adds this command later than the list is made.
const HELP: &str = "Print this list, or the help of a command";

/// The command, whose help lists its subcommands in groups.
pub fn with_groups(command: Command) -> Command {
    let list = list(&command);
    command.help_template(format!(
        "{{about-with-newline}}\n{{usage-heading}} {{usage}}\n\n{list}Options:\n{{options}}{{after-help}}"
    ))
}

fn list(command: &Command) -> String {
    let about = |name: &str| {
        let about = command.find_subcommand(name).and_then(Command::get_about).map(ToString::to_string);
        about.or_else(|| (name == "help").then(|| HELP.to_owned()))
    };
    let widest = command.get_subcommands().map(|command| command.get_name().len()).max().unwrap_or(0);
    let mut text = String::new();
    for (title, names) in GROUPS {
        text.push_str(&format!("{title}:\n"));
        // A program without the local tools has no such command.
        for (name, about) in names.iter().filter_map(|name| Some((name, about(name)?))) {
            text.push_str(&format!("  {name:widest$}  {about}\n"));
        }
        text.push('\n');
    }
    text
}
