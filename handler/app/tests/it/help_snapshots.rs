//! Snapshots of the help of every command, so that changes of the command line are visible in review.

use std::process::Command;

use crate::support::snapshots;

fn help(path: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_changefeed")).args(path).arg("--help").output().expect("changefeed");
    assert!(output.status.success(), "{path:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// The subcommands that a help text lists, without `help` itself.
fn subcommands(help: &str) -> Vec<String> {
    let lines = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let names = lines.filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    names.filter_map(|line| line.split_whitespace().next()).filter(|name| *name != "help").map(str::to_owned).collect()
}

#[test]
#[cfg(feature = "local")]
fn the_main_help_matches_its_snapshot() {
    snapshots("help").bind(|| insta::assert_snapshot!("changefeed", help(&[])));
}

#[test]
fn the_help_of_every_subcommand_matches_its_snapshot() {
    for command in subcommands(&help(&[])) {
        let mut text = help(&[&command]);
        for subcommand in subcommands(&text) {
            text += &format!("\n--- changefeed {command} {subcommand} ---\n\n{}", help(&[&command, &subcommand]));
        }
        snapshots("help").bind(|| insta::assert_snapshot!(command.as_str(), text));
    }
}

#[test]
fn help_lines_have_at_most_140_characters() {
    for command in subcommands(&help(&[])) {
        let mut paths = vec![vec![command.clone()]];
        paths.extend(subcommands(&help(&[&command])).into_iter().map(|name| vec![command.clone(), name]));
        for path in paths {
            let path: Vec<&str> = path.iter().map(String::as_str).collect();
            let text = help(&path);
            let long = text.lines().find(|line| line.chars().count() > 140);
            assert_eq!(long, None, "{path:?}");
        }
    }
}
