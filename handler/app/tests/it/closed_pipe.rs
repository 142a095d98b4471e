//! A reader that has seen enough, as in `changefeed … | head -1`: the command ends, quietly.
#![cfg(unix)]

use std::process::{Command, Stdio};

use crate::read_costs::{costs, items, store_versions};
use crate::support::World;

/// Versions whose JSON does not fit into a pipe.
const VERSIONS: i64 = 2000;

/// Runs a command, reads its first line, and closes its output and its errors. Returns that line, what else the shell printed, and the exit
/// code of the command.
async fn first_line(world: &World, arguments: &str) -> (String, String, String) {
    let program = env!("CARGO_BIN_EXE_changefeed");
    let line = format!("{{ {{ '{program}' {arguments}; echo \"code $?\" >&3; }} 2>&1 | head -n 1; }} 3>&2");
    let mut shell = Command::new("sh");
    shell.args(["-c", &line]).env("CosmosDB", world.endpoint.connection_string()).stdin(Stdio::null());
    let output = tokio::task::spawn_blocking(move || shell.output().expect("sh")).await.expect("run");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (head, errors) = (text(&output.stdout), text(&output.stderr));
    let code = errors.lines().find(|line| line.starts_with("code ")).unwrap_or_default().to_owned();
    (head, errors.replace(&format!("{code}\n"), ""), code)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_ends_with_its_reader() {
    let world = World::new().await;
    store_versions(&world, "d0", VERSIONS, false).await;
    for list in [
        "history versions --id d0 --pk a --output jsonl",
        "history search --filter id=d0 --output jsonl",
        "history changes --order oldest --output jsonl",
        "query --container changes 'SELECT * FROM c' --output jsonl",
        "history versions --id d0 --pk a --max-items 50",
        "history changes --max-items 50 --order oldest",
        "restore list",
        "dead-letters list",
        "completions bash",
        "--help",
    ] {
        costs(&world);
        let (head, errors, code) = first_line(&world, list).await;
        assert_eq!((errors.as_str(), code.as_str()), ("", "code 0"), "{list}: {head}");
        assert_eq!(head.lines().count(), 1, "{list}: {head}");
        if list.ends_with("jsonl") {
            let read = items(&costs(&world));
            assert!(read < VERSIONS as usize, "{list} read {read} items");
        }
    }
}
