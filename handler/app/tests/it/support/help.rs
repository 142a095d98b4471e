//! The help of commands.

/// The subcommands that a help text lists, in groups or not, without `help` itself.
pub fn subcommands(help: &str) -> Vec<String> {
    let lines = help.lines().take_while(|line| *line != "Options:").filter_map(|line| line.strip_prefix("  "));
    let names = lines.filter(|line| line.starts_with(|first: char| first.is_ascii_lowercase()));
    names.filter_map(|line| line.split_whitespace().next()).filter(|name| *name != "help").map(str::to_owned).collect()
}
