//! Every list of the command line, in every format. The lists are found in the help of the commands, so none can be forgotten.

use std::collections::BTreeMap;

use changefeed_cosmos::FieldPath;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::jobs::capture;
use crate::support::{CommandLine, World, executable, subcommands};

/// A second since 1970, before any real clock.
const T: i64 = 1_700_000_000;
const FORMATS: &str = "[possible values: table, json, jsonl, csv]";

fn help(path: &[String]) -> String {
    let output = executable().args(path).arg("--help").output().expect("changefeed");
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// Every command with its help, in words that are separated by single spaces.
fn commands() -> BTreeMap<String, String> {
    let (mut found, mut open) = (BTreeMap::new(), vec![Vec::new()]);
    while let Some(path) = open.pop() {
        let help = help(&path);
        open.extend(subcommands(&help).into_iter().map(|name| [path.clone(), vec![name]].concat()));
        found.insert(path.join(" "), help.split_whitespace().collect::<Vec<_>>().join(" "));
    }
    found
}

/// A history with something in every list.
struct Data {
    world: World,
    folder: TempDir,
    older: String,
    restore: String,
    verification: String,
    letter: String,
}

impl Data {
    async fn new() -> Self {
        let world = World::new().await;
        world.create("leases", &["/id"]).await;
        let changefeed = world.changefeed(|_| ());
        let version = |lsn: i64, body: Value| {
            let mut version = json!({"id": "1", "pk": "a", "_ts": T + lsn, "_lsn": lsn, "_etag": format!("\"{lsn}\"")});
            version.as_object_mut().expect("object").extend(body.as_object().expect("object").clone());
            version
        };
        let hostile = json!({"name": "=cmd|'/C calc'!A0", "text": "one,\r\n\"two\"", "n": 9_007_199_254_740_991_i64, "none": null});
        capture(&changefeed, &[version(1, json!({"name": "first", "updatedBy": "ann"})), version(2, hostile)]).await;
        world
            .put("a", json!({"id": "1", "pk": "a", "name": "live", "address": {"zip code": 28036, "lines": [1]}}))
            .await;
        world.put("a", json!({"id": "2", "pk": "a", "name": "never captured"})).await;
        let handler = world.handler();
        handler.invoke_until_accepted("[5]").await;
        let line = CommandLine::new(&world);
        let folder = tempfile::tempdir().expect("folder");
        let backup = folder.path().join("b").display().to_string();
        line.json(&["backup", "create", "--to", &backup]).await;
        line.json(&["digest", "write", "--to", &backup]).await;
        let (_, versions) = line.json(&["history", "versions", "--id", "1", "--pk", "a"]).await;
        let older = text(&versions["items"][1]["id"]);
        let (_, restore) = line.json(&["restore", "run", "--id", "1", "--pk", "a", "--version", &older, "--yes"]).await;
        let (_, verification) = line.json(&["verify", "--grace-seconds", "0"]).await;
        assert_eq!(line.run(&["leases", "repair"]).await.status.code(), Some(0));
        let erase = ["erase", "--id", "none", "--pk", "none", "--dry-run"];
        assert_eq!(line.run(&erase).await.status.code(), Some(0));
        world.create("copies", &["/id"]).await;
        let rehome = ["rehome", "--from-changes", "copies", "--flat", "--dry-run"];
        assert_eq!(line.run(&rehome).await.status.code(), Some(0));
        let letter = text(&world.dead_letters().await[0]["id"]);
        Self { world, folder, older, restore: text(&restore["id"]), verification: text(&verification["id"]), letter }
    }

    /// The arguments of a list.
    fn arguments(&self, command: &str) -> Vec<String> {
        let folder = self.folder.path().display().to_string();
        let (from, restore) = (T.to_string(), self.restore.as_str());
        let more: &[&str] = match command {
            "history versions" | "history blame" => &["--id", "1", "--pk", "a"],
            "history diff" => &["--id", "1", "--pk", "a", "--from", &self.older],
            "history search" => &["--filter", "id=1"],
            "history changes" | "history activity" => &["--from", &from, "--to", "2023-11-15"],
            "restore items" => &[restore],
            "verify findings" => &[&self.verification],
            "backup list" => &[&folder],
            "dead-letters replay" => &[&self.letter],
            "query" => &["--container", "changes", "SELECT * FROM c"],
            "switch-mode" => &["--to", "AllVersionsAndDeletes", "--wait", "0"],
            "restore list" | "erase list" | "digest list" | "rehome list" | "verify list" | "dead-letters list"
            | "leases list" | "doctor" | "provision" | "source list" => &[],
            other => panic!("changefeed {other} is a list, and this test does not know its arguments"),
        };
        command.split(' ').chain(more.iter().copied()).map(str::to_owned).collect()
    }

    async fn run(&self, command: &str, format: &str) -> String {
        let arguments = [self.arguments(command), vec!["--output".to_owned(), format.to_owned()]].concat();
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let output = CommandLine::new(&self.world).run(&arguments).await;
        let code = output.status.code();
        // The letter is still dead, and the doctor finds it. A step of the switch is left.
        let is_expected =
            code == Some(0) || code == Some(3) && ["dead-letters replay", "doctor", "switch-mode"].contains(&command);
        assert!(is_expected, "{arguments:?}: {output:?}");
        String::from_utf8(output.stdout).expect("UTF-8")
    }
}

fn text(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}

/// Removes what differs from one run to the next.
fn stable(command: &str, mut item: Value) -> Value {
    let volatile: &[&str] = match command {
        "dead-letters replay" => &["attempts", "requestCharge"],
        "dead-letters list" => &["attempts", "attemptedAt"],
        "leases list" => &["lag", "lagSeconds", "state", "reason"],
        "doctor" => &["found"],
        _ => &[],
    };
    item.as_object_mut().expect("object").retain(|name, _| !volatile.contains(&name.as_str()));
    item
}

/// The text of a cell, as the reference specifies it.
fn cell(value: Option<&Value>) -> String {
    match value {
        None => String::new(),
        Some(Value::String(text)) if text.is_empty() => "\"\"".to_owned(),
        Some(Value::String(text)) if text == "null" => "\"null\"".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

/// The paths of everything in an item that is not an object with properties.
fn leaves(item: &Value) -> Vec<Vec<String>> {
    match item.as_object() {
        Some(properties) if !properties.is_empty() => {
            let below = |(name, value): (&String, &Value)| {
                leaves(value).into_iter().map(|path| [vec![name.clone()], path].concat()).collect::<Vec<_>>()
            };
            properties.iter().flat_map(below).collect()
        }
        _ => vec![Vec::new()],
    }
}

fn check_csv(command: &str, csv: &str, items: &[Value]) {
    let mut reader = csv::Reader::from_reader(csv.as_bytes());
    let columns: Vec<FieldPath> = reader
        .headers()
        .expect("a header")
        .iter()
        .map(|name| name.parse().unwrap_or_else(|error| panic!("{command}: column {name}: {error}")))
        .collect();
    let records: Vec<csv::StringRecord> = reader.records().map(|record| record.expect("a record")).collect();
    assert_eq!(records.len(), items.len(), "{command}: {csv}");
    for (record, item) in records.iter().zip(items) {
        for (column, found) in columns.iter().zip(record) {
            let value = column.of(item);
            // What is volatile was removed from the item.
            if value.is_some() || stable(command, json!({column.to_string(): 1})) != json!({}) {
                assert_eq!(found, cell(value), "{command}: column {column} of {item}");
            }
        }
        for leaf in leaves(item) {
            // An empty object has no properties that could be in its columns.
            let is_covered = columns
                .iter()
                .any(|column| leaf.starts_with(column.segments()) || column.segments().starts_with(&leaf));
            assert!(is_covered, "{command}: {leaf:?} is in no column of {csv}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_list_is_a_table_a_json_document_json_lines_and_csv() {
    let commands = commands();
    let lists: Vec<&String> =
        commands.iter().filter(|(_, help)| help.contains(FORMATS)).map(|(command, _)| command).collect();
    assert!(lists.len() >= 16, "{lists:?}");
    let data = Box::pin(Data::new()).await;
    for command in lists {
        // Replays after the lists: they count attempts.
        let document: Value = serde_json::from_str(&data.run(command, "json").await)
            .unwrap_or_else(|error| panic!("{command}: not one JSON document: {error}"));
        let items = match command.as_str() {
            "history blame" => &document["fields"],
            "history diff" => &document["changes"],
            _ => &document["items"],
        };
        let items: Vec<Value> = items.as_array().unwrap_or_else(|| panic!("{command}: {document}")).clone();
        assert!(!items.is_empty(), "{command}: {document}");
        let items: Vec<Value> = items.into_iter().map(|item| stable(command, item)).collect();

        let lines = data.run(command, "jsonl").await;
        let lines: Vec<Value> = lines
            .lines()
            .map(|line| stable(command, serde_json::from_str(line).unwrap_or_else(|_| panic!("{command}: {line}"))))
            .collect();
        assert_eq!(lines, items, "{command}");
        check_csv(command, &data.run(command, "csv").await, &items);
        let table = data.run(command, "table").await;
        let is_table = table.lines().any(|line| line.contains("  "))
            || ["history activity", "dead-letters replay"].contains(&command.as_str());
        assert!(is_table && serde_json::from_str::<Value>(&table).is_err(), "{command}: {table}");
    }
}

#[test]
fn a_command_without_a_list_refuses_formats_of_lists_and_one_with_pages_has_them_all() {
    let mut refused = 0;
    for (command, help) in commands() {
        assert!(
            !help.contains("--max-items ") || command == "process" || help.contains(FORMATS),
            "changefeed {command} has pages, but not all formats"
        );
        if help.contains("[possible values: table, json]") {
            for format in ["jsonl", "csv"] {
                let mut changefeed = executable();
                let output =
                    changefeed.args(command.split(' ')).args(["--output", format]).output().expect("changefeed");
                let message = String::from_utf8_lossy(&output.stderr).into_owned();
                assert_eq!(output.status.code(), Some(2), "{command}: {message}");
                assert!(message.contains("table, json"), "{command}: {message}");
            }
            refused += 1;
        }
    }
    assert!(refused > 10, "{refused}");
}

#[test]
fn no_command_has_an_argument_twice() {
    for command in commands().keys() {
        let path: Vec<String> = command.split(' ').filter(|name| !name.is_empty()).map(str::to_owned).collect();
        let help = help(&path);
        // The lines that continue a description are further to the right.
        let options =
            help.lines().filter(|line| line.find('-').is_some_and(|at| at <= 6 && line[..at].trim().is_empty()));
        let mut names: Vec<&str> =
            options.filter_map(|line| line.split_whitespace().find(|word| word.starts_with("--"))).collect();
        names.sort_unstable();
        let twice = names.windows(2).find(|pair| pair[0] == pair[1]);
        assert_eq!(twice, None, "changefeed {command}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_ends_at_its_limit_continues_where_it_ended() {
    let world = World::new().await;
    let changefeed = world.changefeed(|_| ());
    let version = |n: i64| json!({"id": format!("{}", n % 2), "pk": "a", "n": n, "_ts": T + n / 3, "_lsn": n, "_etag": format!("\"{n}\"")});
    capture(&changefeed, &(1..=9).map(version).collect::<Vec<Value>>()).await;
    let line = CommandLine::new(&world);
    for list in [
        &["history", "versions", "--id", "1", "--pk", "a"][..],
        &["history", "changes", "--to", "2023-11-15"],
        &["history", "search", "--filter", "id=1"],
        &["query", "--container", "changes", "SELECT c.id FROM c"],
    ] {
        let (_, whole) = line.json(list).await;
        let expected = whole["items"].as_array().expect("items").clone();
        assert!(whole.get("continuation").is_none() && expected.len() >= 5, "{list:?}: {whole}");
        let (mut found, mut continuation) = (Vec::new(), None::<String>);
        loop {
            let mut arguments = [list, &["--max-items", "2"]].concat();
            if let Some(token) = &continuation {
                arguments.extend(["--continuation", token]);
            }
            let (code, page) = line.json(&arguments).await;
            let items = page["items"].as_array().expect("items");
            assert!(code == 0 && items.len() <= 2, "{list:?}: {page}");
            found.extend(items.clone());
            continuation = page["continuation"].as_str().map(str::to_owned);
            if continuation.is_none() {
                break;
            }
        }
        assert_eq!(found, expected, "{list:?}");
        let lines = line.run(&[list, &["--max-items", "2", "--output", "jsonl"]].concat()).await;
        let message = String::from_utf8_lossy(&lines.stderr).into_owned();
        assert!(message.contains("to continue: --continuation"), "{list:?}: {message}");
    }
    let (code, message) = line.text(&["history", "changes", "--max-items", "0"]).await;
    assert!(code == 2 && message.contains("--max-items"), "{message}");
}

#[tokio::test]
async fn the_columns_of_a_query_are_the_fields_that_any_item_has() {
    let world = World::new().await;
    for document in [
        json!({"id": "1", "pk": "a", "address": {"city": "x, y", "zip code": 28036}, "tags": ["a"]}),
        json!({"id": "2", "pk": "a", "none": null, "empty": "", "n": 1.5}),
    ] {
        world.put("a", document).await;
    }
    let line = CommandLine::new(&world);
    let fields = "SELECT c.id, c.address, c.tags, c.none, c.empty, c.n FROM c ORDER BY c.id";
    let (code, csv) = line.text(&["query", "--container", "events", "--output", "csv", fields]).await;
    let expected = "id,address.city,\"address.\"\"zip code\"\"\",tags,none,empty,n\r\n\
         1,\"x, y\",28036,\"[\"\"a\"\"]\",,,\r\n2,,,,null,\"\"\"\"\"\",1.5\r\n";
    assert_eq!((code, csv.as_str()), (0, expected));
    let scalars = ["query", "--container", "events", "--output", "csv", "SELECT VALUE c.id FROM c ORDER BY c.id"];
    assert_eq!(line.text(&scalars).await, (0, "value\r\n1\r\n2\r\n".to_owned()));
    let none = ["query", "--container", "events", "--output", "json", "SELECT * FROM c WHERE c.id = 'x'"];
    let (_, answer) = line.text(&none).await;
    assert!(answer.starts_with(r#"{"items":[],"requestCharge":"#), "{answer}");
}
