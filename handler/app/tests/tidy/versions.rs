//! Ids of versions are made in one file, and versions are never replaced.

use crate::rust_source::without_tests;
use crate::tree::{File, assert_none, at, files, sources};

/// What distinguishes the ids of special versions.
const PARTS_OF_IDS: [&str; 3] = ["-exact", "-gone", "-delete-"];
const GRAMMAR: &str = "handler/history/src/version_id.rs";

/// The files of the history that write something other than versions, and may replace it: its own progress, the item
/// that shows the time, the sizes of a day, the reason of a dead letter, and which documents are erased.
const REPLACING: [&str; 5] = [
    "handler/history/src/growth.rs",
    "handler/history/src/retention_record.rs",
    "handler/history/src/service_clock.rs",
    "handler/history/src/dead_letters/replay.rs",
    "handler/history/src/erasure/register.rs",
];

fn ids_made_elsewhere(sources: &[File]) -> Vec<String> {
    let mut found = Vec::new();
    for file in sources.iter().filter(|file| file.path != GRAMMAR) {
        for (index, line) in without_tests(&file.text).lines().enumerate() {
            // The grammar of an id may be explained anywhere.
            let code = line.split("//").next().unwrap_or_default();
            for part in PARTS_OF_IDS.iter().filter(|part| code.contains(*part)) {
                found.push(at(&file.path, index + 1, format!("\"{part}\" is for {GRAMMAR} only")));
            }
        }
    }
    found
}

fn replaced(sources: &[File]) -> Vec<String> {
    let mut found = Vec::new();
    for file in sources.iter().filter(|file| !REPLACING.contains(&file.path.as_str())) {
        for (index, line) in without_tests(&file.text).lines().enumerate() {
            for call in [".upsert(", ".replace("].iter().filter(|call| line.contains(*call)) {
                found.push(at(&file.path, index + 1, format!("calls {call}…)")));
            }
        }
    }
    found
}

#[test]
fn ids_of_versions_are_made_in_one_file() {
    assert_none(&ids_made_elsewhere(&sources()));
}

#[test]
fn an_id_that_is_made_elsewhere_is_reported() {
    let planted = [
        File::new(GRAMMAR, "const EXACT: &str = \"-exact\";\n"),
        File::new(
            "handler/operations/src/a.rs",
            "// ends with -gone\nlet id = format!(\"{id}-gone\");\nlet id = format!(\"{second}-delete-{lsn}\");\n#[cfg(test)]\nmod tests { const A: &str = \"a-exact\"; }\n",
        ),
    ];
    let only = "is for handler/history/src/version_id.rs only";
    assert_eq!(
        ids_made_elsewhere(&planted),
        [
            format!("handler/operations/src/a.rs:2: \"-gone\" {only}"),
            format!("handler/operations/src/a.rs:3: \"-delete-\" {only}"),
        ]
    );
}

#[test]
fn versions_are_created_and_never_replaced() {
    let sources = files("handler/history/src", ".rs");
    assert!(sources.iter().any(|file| file.path == "handler/history/src/store_version.rs"));
    for path in REPLACING {
        assert!(sources.iter().any(|file| file.path == path), "{path} does not exist: correct the list");
    }
    assert_none(&replaced(&sources));
}

#[test]
fn a_version_that_is_replaced_is_reported() {
    let path = "handler/history/src/store_version.rs";
    let planted = [
        File::new(path, "\nlet written = changes.upsert(&key, &item).await?;\n"),
        File::new(REPLACING[0], "a.replace(b)\n"),
    ];
    assert_eq!(replaced(&planted), ["handler/history/src/store_version.rs:2: calls .upsert(…)"]);
}
