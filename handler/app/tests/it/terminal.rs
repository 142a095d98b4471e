//! What people see on a terminal: tables that fit, colors, prompts, and documents that cannot write to it.
#![cfg(target_os = "linux")]

use serde_json::{Value, json};
use unicode_width::UnicodeWidthStr;

use crate::support::{CommandLine, Handler, World, batch_of};

/// Without colors.
const PLAIN: &[(&str, &str)] = &[("NO_COLOR", "1")];
/// What a document contains that wants to write to the terminal.
const HARMFUL: &str = "\u{1b}]0;title\u{7}\u{1b}[2J\u{9b}31m\r\u{202e}\u{7f}";

/// A world with versions of two documents, one of them live, and of a document that wants to write to the terminal.
async fn world() -> (World, Handler) {
    let world = World::new().await;
    world.create("leases", &["/id"]).await;
    let handler = world.handler();
    let wide = "東京都千代田区丸の内一丁目九番一号東京駅";
    for (id, by, city) in
        [("28036", "release@build-17", "Davidson"), ("wide", "山田", wide), ("28036", "me", "Nowhere")]
    {
        let document = json!({"id": id, "pk": "a-partition-key-that-takes-some-room", "updatedBy": by, "city_name": city,
            "zip": 28036, "group": "g", "text": "a text that is much too long for any column of a table ".repeat(4)});
        let stored = world.put("a-partition-key-that-takes-some-room", document).await;
        handler.invoke_until_accepted(&batch_of(&[stored])).await;
    }
    let harmful =
        json!({"id": "harmful", "pk": "a", "group": "h", "text": HARMFUL, (HARMFUL): 1, "updatedBy": HARMFUL});
    for n in 0..2 {
        let mut document = harmful.clone();
        document["n"] = json!(format!("{n}{HARMFUL}"));
        let stored = world.put("a", document).await;
        handler.invoke_until_accepted(&batch_of(&[stored])).await;
    }
    handler.invoke_until_accepted(&format!("[\"{}\"]", HARMFUL.replace(['\u{1b}', '\r', '\u{7}'], ""))).await;
    (world, handler)
}

const KEY: [&str; 4] = ["--id", "28036", "--pk", "a-partition-key-that-takes-some-room"];

fn lists() -> Vec<Vec<&'static str>> {
    let of_document = |command: &[&'static str]| [command, &KEY].concat();
    vec![
        of_document(&["history", "versions"]),
        of_document(&["history", "blame"]),
        vec!["history", "changes", "--since", "1d"],
        vec!["history", "activity", "--since", "1h"],
        vec!["history", "search", "--filter", "zip=28036"],
        of_document(&["restore", "run", "--as-of", "-0s", "--dry-run"]),
        vec!["restore", "list"],
        vec!["dead-letters", "list"],
        vec!["provision"],
    ]
}

#[tokio::test]
async fn tables_fit_every_terminal_and_show_everything_when_asked_or_in_a_pipe() {
    let (world, _handler) = world().await;
    let command_line = CommandLine::new(&world);
    let reason = "a reason that takes the room of two columns at least";
    let restore = [&["restore", "run", "--as-of", "-0s", "--dry-run", "--job", "--reason", reason], &KEY[..]].concat();
    assert_eq!(command_line.text(&restore).await.0, 0);
    for list in lists() {
        for columns in [60, 80, 120, 200] {
            let (code, printed) = command_line.on_terminal(columns, PLAIN, &list).await;
            assert_eq!(code, 0, "{list:?}: {printed}");
            assert!(!printed.contains('\u{1b}'), "{list:?}: {printed:?}");
            let is_sentence = |line: &str| line.contains("To see everything: --wide") || line.ends_with('.');
            for line in printed.lines().filter(|line| !is_sentence(line)) {
                // The id of a dead letter is useless in part.
                let columns = if list[0] == "dead-letters" { columns.max(64) } else { columns };
                assert!(line.width() <= columns, "{list:?} has {} of {columns} columns: {line}", line.width());
            }
        }
        let wide = command_line.on_terminal(60, PLAIN, &[&list[..], &["--wide"]].concat()).await.1;
        assert!(!wide.contains("To see everything"), "{list:?}: {wide}");
    }
    let versions = [&["history", "blame"], &KEY[..]].concat();
    let whole = "a text that is much too long for any column of a table ".repeat(4);
    let narrow = command_line.on_terminal(80, PLAIN, &versions).await.1;
    assert!(
        narrow.contains('…') && narrow.contains("To see everything: --wide") && !narrow.contains(&whole),
        "{narrow}"
    );
    // COLUMNS is for a terminal; a pipe has no width.
    let set = command_line.on_terminal(200, &[("NO_COLOR", "1"), ("COLUMNS", "70")], &versions).await.1;
    assert!(
        set.lines().filter(|line| !line.contains("--wide") && !line.ends_with('.')).all(|line| line.width() <= 70),
        "{set}"
    );
    let (_, piped) = command_line.text(&versions).await;
    assert!(piped.contains(&whole) && !piped.contains('…') && !piped.contains("--wide"), "{piped}");
    let wide = command_line.on_terminal(60, PLAIN, &[&versions[..], &["--wide"]].concat()).await.1;
    assert!(wide.contains(&whole), "{wide}");
}

#[tokio::test]
async fn colors_are_for_terminals_and_never_the_only_sign() {
    let (world, _handler) = world().await;
    let command_line = CommandLine::new(&world);
    let changes = ["history", "changes", "--since", "1d"];
    let with = |more: &[&'static str]| [&changes[..], more].concat();
    let strip = |text: &str| anstream::adapter::strip_str(text).to_string();
    let (_, colored) = command_line.on_terminal(120, &[], &changes).await;
    let (_, plain) = command_line.on_terminal(120, PLAIN, &changes).await;
    assert!(colored.contains("\u{1b}[36mwrite"), "{colored:?}");
    // The window ends now, and so its first line may differ.
    let table =
        |text: String| text.lines().skip_while(|line| !line.contains("Operation")).collect::<Vec<_>>().join("\n");
    assert_eq!(table(strip(&colored)), table(plain.clone()));
    for (variables, more) in [
        (&[("NO_COLOR", "1")][..], &[][..]),
        (&[], &["--color", "never"]),
        (&[("TERM", "dumb")], &["--color", "auto"]),
        (&[("CLICOLOR_FORCE", "1")], &["--color=never"]),
    ] {
        let (_, printed) = command_line.on_terminal(120, variables, &with(more)).await;
        assert!(!printed.contains('\u{1b}'), "{variables:?} {more:?}: {printed:?}");
    }
    assert!(command_line.on_terminal(120, PLAIN, &with(&["--color", "always"])).await.1.contains("\u{1b}["));
    // In a pipe only when asked.
    assert!(!command_line.text(&changes).await.1.contains('\u{1b}'));
    assert!(command_line.text(&with(&["--color", "always"])).await.1.contains("\u{1b}[36mwrite"));
    let (code, refused) = command_line.text(&with(&["--color", "sometimes"])).await;
    assert!(code == 2 && refused.contains("auto, always, never"), "{refused}");
    // An error has its word, and its color on a terminal.
    let wrong = ["history", "changes", "--since", "10m", "--until", "20m"];
    let (code, printed) = command_line.on_terminal(120, &[], &wrong).await;
    assert!(code == 2 && printed.contains("\u{1b}[1m\u{1b}[31merror:\u{1b}[0m"), "{printed:?}");
}

#[tokio::test]
async fn a_document_cannot_write_to_the_terminal() {
    let (world, _handler) = world().await;
    let command_line = CommandLine::new(&world);
    let document = ["--id", "harmful", "--pk", "a"];
    let versions = command_line.run(&[&["history", "versions", "--output", "jsonl"], &document[..]].concat()).await;
    let newest = String::from_utf8(versions.stdout).expect("UTF-8");
    let newest: Value = serde_json::from_str(newest.lines().next().expect("a version")).expect("JSON");
    assert_eq!(newest["document"]["text"], HARMFUL, "JSON has the true value");
    let version = newest["id"].as_str().expect("id").to_owned();
    let letters = command_line.run(&["dead-letters", "list", "--output", "jsonl"]).await;
    let letter: Value = serde_json::from_slice(&letters.stdout).expect("JSON");
    let of_document = |command: &[&str]| -> Vec<String> {
        command.iter().chain(&document).map(|argument| (*argument).to_owned()).collect()
    };
    let of = |command: &[&str]| -> Vec<String> { command.iter().map(|argument| (*argument).to_owned()).collect() };
    let commands = [
        of_document(&["history", "versions"]),
        of_document(&["history", "show", &version]),
        of_document(&["history", "diff", "--from", &version]),
        of_document(&["history", "blame"]),
        of_document(&["history", "document", "--as-of", "-0s"]),
        of(&["history", "search", "--filter", "group=h"]),
        of(&["history", "changes", "--since", "1d"]),
        of(&["history", "activity", "--since", "1d"]),
        of(&["query", "--container", "events", "SELECT * FROM c"]),
        of_document(&["restore", "run", "--before", "-0s", "--dry-run"]),
        of(&["dead-letters", "list"]),
        of(&["dead-letters", "show", letter["id"].as_str().expect("id")]),
    ];
    for command in commands {
        for output in ["table", "json"] {
            let mut arguments: Vec<&str> = command.iter().map(String::as_str).collect();
            arguments.extend(["--output", output]);
            let (code, printed) = command_line.text(&arguments).await;
            assert_eq!(code, 0, "{arguments:?}: {printed}");
            let is_harmful = |character: char| character.is_control() && character != '\n' || character == '\u{202e}';
            assert!(!printed.contains(is_harmful), "{arguments:?}: {printed:?}");
            let shows_all = ["show", "blame", "document", "query"].iter().any(|name| arguments.contains(name));
            assert!(printed.contains("\\u009b") || !shows_all, "{arguments:?}: {printed}");
        }
    }
}

#[tokio::test]
async fn a_prompt_names_what_it_is_about_and_what_the_times_mean() {
    let (world, _handler) = world().await;
    let command_line = CommandLine::new(&world);
    world.container("events").await.delete_item("a", "harmful", None).await.expect("deleted");
    let arguments = ["restore", "run", "--id", "harmful", "--pk", "a", "--as-of", "0s", "--time-zone", "Asia/Tokyo"];
    let (code, printed) = Box::pin(command_line.confirm(&arguments, "[y/N]", async {})).await;
    assert_eq!(code, 0, "{printed}");
    let at = printed.find("Container events of database dev, ").unwrap_or_else(|| panic!("{printed}"));
    let prompt = &printed[at..printed.find("[y/N]").expect("a question")];
    assert!(
        prompt.contains("127.0.0.1") && prompt.contains("\nWrite 1 documents?")
            || prompt.contains("\r\nWrite 1 documents?"),
        "{prompt}"
    );
    assert!(
        prompt.contains("0s is 20") && prompt.contains(" UTC (20") && prompt.contains("+09:00 Asia/Tokyo)"),
        "{prompt}"
    );
}
