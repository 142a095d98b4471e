//! The commands of the documentation are run, and print what the pages show.
//!
//! Bash runs each block marked `sh`, on a `changefeed local` of this test; a command that fails fails the test. A `text` block
//! after it is the output, line by line and in order; `…` stands for anything. Blocks that need Azure, the Functions tools or a
//! second terminal are marked `console` and are not run.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::json;

use crate::support::{DEADLINE, Local, until};

/// The pages whose blocks are run, and how many blocks each has at least.
const PAGES: [(&str, usize); 9] = [
    ("README.md", 2),
    ("docs/tutorial.md", 12),
    ("docs/how-to/restore-one-document.md", 6),
    ("docs/how-to/undo-a-time-window.md", 5),
    ("docs/how-to/export-versions.md", 4),
    ("docs/how-to/nightly-backups.md", 5),
    ("docs/how-to/backup-policy.md", 4),
    ("docs/how-to/move-leases.md", 3),
    ("docs/how-to/practise-failures.md", 6),
];

/// The addresses that the pages show.
const API: &str = "http://127.0.0.1:7071/api";
const COSMOS: &str = "http://127.0.0.1:8081/";
const CONTROL: &str = "http://127.0.0.1:7072";

/// The kinds of blocks that are not run: input for other tools, and output.
const NOT_RUN: [&str; 5] = ["console", "text", "json", "yaml", "ini"];

/// A page sleeps so that capture catches up, which takes longer on a busy machine.
const PRELUDE: &str = r#"set -euo pipefail
sleep() {
  command sleep "$1"
  until changefeed status --output json | jq -e 'all(.leases[]; .lag == 0)' > status.json; do command sleep 0.2; done
}
"#;

/// The line before the output of each block.
const MARK: &str = "@@block ";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("root")
}

/// A block between fences.
#[derive(Debug, Clone, PartialEq)]
struct Block {
    kind: String,
    /// The number of its first line in the page, from 1.
    line: usize,
    text: String,
}

fn blocks(page: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut open: Option<Block> = None;
    for (index, line) in page.lines().enumerate() {
        match (line.trim_start().strip_prefix("```"), open.take()) {
            (Some(kind), None) => open = Some(Block { kind: kind.to_owned(), line: index + 2, text: String::new() }),
            (Some(_), Some(block)) => blocks.push(block),
            (None, Some(mut block)) => {
                block.text.push_str(line);
                block.text.push('\n');
                open = Some(block);
            }
            (None, None) => {}
        }
    }
    assert_eq!(open, None, "a block without an end");
    blocks
}

/// Words separated by single spaces, so that the widths of tables do not matter.
fn words(line: &str) -> String {
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Whether a line of output is what the page shows.
fn is_shown(shown: &str, line: &str) -> bool {
    let parts: Vec<&str> = shown.split('…').collect();
    let [first, middle @ .., last] = parts.as_slice() else { return shown == line };
    let Some(mut rest) = line.strip_prefix(first) else { return false };
    for part in middle {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

/// The first line of the page that the output does not have.
fn missing_line(shown: &str, output: &str) -> Option<String> {
    let mut lines = output.lines().map(words);
    let shown = shown.lines().map(words).filter(|line| !line.is_empty() && line != "…");
    shown.into_iter().find(|shown| !lines.any(|line| is_shown(shown, &line)))
}

/// Runs the `sh` blocks of a page in one bash, and compares the output with the blocks that show it.
fn run_page(page: &str, at_least: usize, local: &Local) {
    let text = std::fs::read_to_string(root().join(page)).unwrap_or_else(|error| panic!("{page}: {error}"));
    let blocks = blocks(&text);
    let unknown = blocks.iter().find(|block| block.kind != "sh" && !NOT_RUN.contains(&block.kind.as_str()));
    assert_eq!(unknown, None, "{page}: mark the block sh, or as one of {NOT_RUN:?}");
    let count = blocks.iter().filter(|block| block.kind == "sh").count();
    assert!(count >= at_least, "{page} has {count} blocks to run; there were {at_least}");

    let mut script = PRELUDE.to_owned();
    for block in blocks.iter().filter(|block| block.kind == "sh") {
        script.push_str(&format!("printf '\\n{MARK}{}\\n'\n{}", block.line, block.text));
    }
    let own = |name: &str| local.ready[name].as_str().expect("an address").to_owned();
    let script = script.replace(API, &own("api")).replace(COSMOS, &own("cosmos")).replace(CONTROL, &own("control"));
    let folder = tempfile::tempdir().expect("folder");
    let program = Path::new(env!("CARGO_BIN_EXE_changefeed")).parent().expect("folder").to_owned();
    let path = std::env::var("PATH").expect("PATH");
    let output = Command::new("timeout")
        .args(["300", "bash", "-c", &format!("exec 2>&1\n{script}")])
        .current_dir(folder.path())
        .env("PATH", format!("{}:{path}", program.display()))
        .env("COSMOS_DISABLE_IMDS", "1")
        .env("TZ", "UTC")
        .env_remove("CosmosDB")
        .stdin(Stdio::null())
        .output()
        .expect("bash");
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    let mark = format!("\n{MARK}");
    let mut outputs = printed.split(mark.as_str()).skip(1).map(|part| {
        let (line, output) = part.split_once('\n').expect("a line");
        (line.parse::<usize>().expect("a number"), output)
    });
    let last = outputs.clone().last().map_or(0, |(line, _)| line);
    assert!(output.status.success(), "{page}: the block at line {last} failed: {}\n{printed}", output.status);
    for (index, block) in blocks.iter().enumerate().filter(|(_, block)| block.kind == "sh") {
        let (line, output) = outputs.next().expect("the output of every block");
        assert_eq!(line, block.line, "{page}");
        let shown = blocks.get(index + 1).filter(|next| next.kind == "text");
        if let Some(missing) = shown.and_then(|shown| missing_line(&shown.text, output)) {
            panic!("{page}, line {line}: the page shows\n  {missing}\nbut this was printed:\n{output}");
        }
    }
}

/// Writes the documents that the pages name, as the sample has them. The sample of this test is small, to save time.
async fn write_davidson(local: &Local) {
    for (id, latitude, longitude) in [("28035", 35.4993, -80.8486), ("28036", 35.4858, -80.794)] {
        let document =
            json!({"id": id, "pk": id, "city_name": "Davidson", "latitude": latitude, "longitude": longitude});
        local.put_wrong(&document, 1).await;
    }
    local.until_all_captured(DEADLINE).await;
    // The pages restore to a second, which must be after these writes.
    let newest = chrono::Utc::now().timestamp();
    until("the next second", DEADLINE, async || chrono::Utc::now().timestamp() > newest).await;
}

#[tokio::test]
async fn the_commands_of_the_documentation_do_what_the_pages_show() {
    let local = Local::start(&["--populate", "1500", "--control-port", "0", "--partitions", "4"]).await;
    let only = std::env::var("DOCS_PAGE").ok();
    for (page, at_least) in PAGES {
        if only.as_ref().is_none_or(|only| page.contains(only)) {
            write_davidson(&local).await;
            let started = tokio::time::Instant::now();
            run_page(page, at_least, &local);
            println!("{page}: {:.1} s", started.elapsed().as_secs_f64());
        }
    }
}

#[test]
fn a_page_outside_the_list_has_no_block_that_would_be_run() {
    let mut pages = vec![root().join("CONTRIBUTING.md"), root().join("CHANGELOG.md")];
    let mut folders = vec![root().join("docs")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("folder") {
            let path = entry.expect("entry").path();
            if path.is_dir() { folders.push(path) } else { pages.push(path) }
        }
    }
    assert!(pages.len() > 10, "{pages:?}");
    for page in pages.iter().filter(|page| page.extension().is_some_and(|ending| ending == "md")) {
        let name = page.strip_prefix(root()).expect("below the root").to_string_lossy().into_owned();
        let is_listed = PAGES.iter().any(|(listed, _)| *listed == name);
        let text = std::fs::read_to_string(page).expect("page");
        let block = blocks(&text).into_iter().find(|block| block.kind == "sh");
        assert!(is_listed || block.is_none(), "{name}: list it in PAGES, or mark the block console: {block:?}");
    }
}

#[test]
fn output_is_compared_line_by_line_in_order_and_without_regard_to_widths() {
    let output = "│ 28036   ┆ replace │\n2 to replace\nRestore 17-ab: 2 replaced for 26 RU\n";
    assert_eq!(missing_line("│ 28036 ┆ replace │\n…\nRestore …: 2 replaced for … RU\n", output), None);
    assert_eq!(missing_line("3 to replace\n", output).as_deref(), Some("3 to replace"));
    assert_eq!(missing_line("2 to replace\n│ 28036 … │\n", output).as_deref(), Some("│ 28036 … │"));
    assert_eq!(missing_line("Restore …: 2 created …\n", output).as_deref(), Some("Restore …: 2 created …"));
}
