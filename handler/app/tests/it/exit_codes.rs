//! The exit code of every kind of end of every command: scripts rely on them.

use serde_json::json;

use crate::support::{CommandLine, World, batch_of};

const DOCUMENT: [&str; 4] = ["--id", "1", "--pk", "a"];

fn with_document(command: &[&'static str]) -> Vec<&'static str> {
    [command, &DOCUMENT].concat()
}

#[tokio::test]
async fn every_command_ends_with_the_documented_code() {
    let world = World::new().await;
    let document = world.put("a", json!({"id": "1", "pk": "a", "n": 1})).await;
    world.handler().invoke(&batch_of(&[document]), false).await;
    let command_line = CommandLine::new(&world);
    let reversed = ["--since", "10m", "--until", "20m"];
    let future = ["--since", "2200-01-01"];
    let of = |command: &[&'static str], more: &[&'static str]| [command, more].concat();
    let table: Vec<(i32, Vec<&str>, &str)> = vec![
        // Done.
        (0, with_document(&["history", "versions"]), "write"),
        (0, vec!["history", "activity", "--since", "10m"], "versions"),
        (0, vec!["history", "changes", "--since", "10m"], "Operation"),
        (0, vec!["restore", "list"], "Started"),
        (0, vec!["query", "--container", "events", "SELECT * FROM c"], "n"),
        (0, vec!["--help"], "Read the history:"),
        // A window that is no window.
        (2, of(&["history", "activity"], &reversed), "which is after to"),
        (2, of(&["history", "changes"], &reversed), "which is after to"),
        (2, of(&["history", "search", "--filter", "n=1"], &reversed), "which is after to"),
        (2, vec!["restore", "run", "--changed-between", "10m", "20m", "--dry-run"], "which is after to"),
        (2, of(&["history", "activity"], &future), "which is in the future"),
        (2, of(&["history", "changes"], &future), "which is in the future"),
        (2, of(&["history", "search", "--filter", "n=1"], &future), "which is in the future"),
        (2, vec!["restore", "run", "--changed-between", "2200-01-01", "2200-01-02"], "which is in the future"),
        (2, vec!["history", "activity", "--since", "30d", "--bucket", "1s"], "at most 1500"),
        // A time that is no time.
        (2, vec!["history", "activity", "--since", "noon"], "invalid time"),
        (2, vec!["history", "changes", "--until", "noon"], "invalid time"),
        (2, vec!["history", "search", "--filter", "n=1", "--since", "noon"], "invalid time"),
        (2, with_document(&["history", "document", "--as-of", "noon"]), "invalid time"),
        (2, with_document(&["history", "blame", "--as-of", "noon"]), "invalid time"),
        (2, with_document(&["restore", "run", "--before", "noon"]), "invalid time"),
        (2, vec!["restore", "run", "--changed-between", "noon", "1m"], "invalid time"),
        (2, vec!["backup", "create", "--to", "nowhere", "--as-of", "noon"], "invalid time"),
        (2, vec!["leases", "reset", "--to", "2200-01-01"], "in the future"),
        (2, vec!["leases", "repair", "--from", "noon"], "invalid time"),
        (2, vec!["process", "--from", "noon"], "invalid time"),
        // Values that are not allowed, and arguments that are missing or contradict each other.
        (2, with_document(&["history", "blame", "--max-versions", "5000"]), "1000"),
        (2, with_document(&["history", "show", "../1"]), "invalid id"),
        (2, vec!["history", "versions", "--id", "1"], "--pk"),
        (2, vec!["history", "search", "--filter", "n"], "filter"),
        (2, vec!["history", "changes", "--operation", "moved"], "moved"),
        (2, vec!["restore", "run", "--as-of", "1m"], "exactly one of"),
        (2, vec!["restore", "run", "--id", "1", "--as-of", "1m"], "--id needs --pk"),
        (2, with_document(&["restore", "run", "--version", "1", "--before", "1m"]), "cannot be used"),
        (2, with_document(&["restore", "run", "--as-of", "1m", "--into", "changes"]), "changes"),
        (2, vec!["query", "--container", "events", "--parameter", "city=1", "SELECT * FROM c"], "use @NAME=VALUE"),
        (2, vec!["query", "--container", "events", "--partition-key", "a", "SELECT * FROM c"], "JSON array"),
        (2, vec!["query", "--container", "events", "SELECT"], "error"),
        (2, vec!["truncate", "--container", "jobs", "--max", "1", "--yes"], "jobs"),
        (2, vec!["populate", "--count", "many"], "many"),
        (2, vec!["verify", "--yes"], "--repair"),
        (2, vec!["dead-letters", "discard"], "--all"),
        (2, vec!["completions", "shell"], "bash"),
        (2, vec!["restore"], "restore"),
        (2, vec!["status", "--color", "red"], "auto, always, never"),
        // What does not exist, and what cannot be asked.
        (1, with_document(&["history", "show", "18"]), "no version whose id begins with 18"),
        (1, vec!["restore", "show", "1795790400-5f3a9c01"], "1795790400-5f3a9c01"),
        (1, vec!["restore", "undo", "1795790400-5f3a9c01"], "1795790400-5f3a9c01"),
        (1, vec!["verify", "show", "1795790400-5f3a9c01"], "1795790400-5f3a9c01"),
        (1, vec!["backup", "verify", "no-such-folder"], "no-such-folder"),
        (1, vec!["dead-letters", "show", "0"], "0"),
        (2, vec!["query", "--container", "nowhere", "SELECT * FROM c"], "unknown container"),
        (1, vec!["truncate", "--container", "events", "--max", "1"], "Not a terminal; pass --yes"),
        (1, vec!["status", "--settings", "no-such-file.json"], "no-such-file.json"),
        // Done, with something to look at.
        (3, vec!["status"], "missing"),
        (3, vec!["doctor"], "PROBLEM"),
        (3, vec!["restore", "run", "--id", "2", "--pk", "a", "--as-of", "1m", "--dry-run"], "unknown"),
    ];
    let mut wrong = Vec::new();
    for (expected, arguments, named) in table {
        let (code, printed) = command_line.text(&arguments).await;
        if code != expected || !printed.contains(named) {
            wrong.push(format!("{arguments:?}: {code} for {expected}, {named:?}: {printed}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn the_monitored_container_can_be_named_as_container_too() {
    let world = World::new().await;
    let command_line = CommandLine::new(&world);
    for name in ["--container", "--monitored"] {
        let (_, shown) = command_line.text(&["status", name, "elsewhere"]).await;
        assert!(shown.contains("elsewhere"), "{shown}");
        let (_, shown) = command_line.text(&[name, "elsewhere", "status"]).await;
        assert!(shown.contains("elsewhere"), "{shown}");
    }
    // Of these two, it is the container that they work on.
    let query = ["query", "--container", "changes", "--monitored", "elsewhere", "SELECT VALUE 7 FROM c"];
    let (code, shown) = command_line.text(&query).await;
    assert!(code == 0 && shown.contains("Value"), "{shown}");
    let truncate = ["truncate", "--container", "events", "--max", "1", "--yes", "--monitored", "elsewhere"];
    let (code, refused) = command_line.text(&truncate).await;
    assert!(code == 2 && refused.contains("elsewhere"), "{refused}");
}
