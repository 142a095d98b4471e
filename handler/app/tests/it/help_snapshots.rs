//! Snapshots of the help of every command, so that changes of the command line are visible in review.

use crate::support::{executable, snapshots, subcommands};

fn help(path: &[&str]) -> String {
    let output = executable().args(path).arg("--help").env("COLUMNS", "120").output().expect("changefeed");
    assert!(output.status.success(), "{path:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8")
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
fn every_command_has_an_example_and_lines_of_at_most_140_characters() {
    for command in subcommands(&help(&[])) {
        let mut paths = vec![vec![command.clone()]];
        paths.extend(subcommands(&help(&[&command])).into_iter().map(|name| vec![command.clone(), name]));
        for path in paths {
            let path: Vec<&str> = path.iter().map(String::as_str).collect();
            let text = help(&path);
            let long = text.lines().find(|line| line.chars().count() > 140);
            assert_eq!(long, None, "{path:?}");
            assert!(text.contains("Example:\n") || text.contains("Examples:\n"), "{path:?} has no example");
            let settings = text.find("\nSettings:\n").expect("settings");
            assert!(text.find("\nDisplay:\n").is_some_and(|display| display < settings), "{path:?}: {text}");
        }
    }
}
