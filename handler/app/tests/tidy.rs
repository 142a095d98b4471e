//! The invariants of ARCHITECTURE.md that a program can check.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("root")
}

fn read(path: impl AsRef<Path>) -> String {
    std::fs::read_to_string(root().join(&path)).unwrap_or_else(|error| panic!("{}: {error}", path.as_ref().display()))
}

/// The files below a folder with this ending.
fn files(folder: &Path, ending: &str, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
        let path = entry.expect("entry").path();
        if path.is_dir() {
            files(&path, ending, found);
        } else if path.to_string_lossy().ends_with(ending) {
            found.push(path);
        }
    }
}

fn sources(folder: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    files(&root().join(folder), ".rs", &mut found);
    found.sort();
    let relative = |path: &PathBuf| path.strip_prefix(root()).expect("below the root").to_string_lossy().into_owned();
    found.iter().map(|path| (relative(path), std::fs::read_to_string(path).expect("source"))).collect()
}

/// Our own crates among the dependencies of one.
fn uses(name: &str) -> BTreeSet<String> {
    let manifest = read(format!("handler/{name}/Cargo.toml"));
    let dependencies =
        manifest.split("[dependencies]").nth(1).expect("dependencies").split("\n[").next().expect("section");
    let ours = ["changefeed-backup-format", "changefeed-history", "changefeed-processor", "local-cosmos", "local-host"];
    let names = dependencies.lines().filter_map(|line| line.split([' ', '.']).next());
    names.filter(|name| ours.contains(name)).map(str::to_owned).collect()
}

#[test]
fn crates_use_only_the_crates_that_the_architecture_names() {
    let expect = |name: &str, used: &[&str]| {
        assert_eq!(uses(name), used.iter().map(|name| (*name).to_owned()).collect(), "{name}")
    };
    expect(
        "app",
        &["changefeed-backup-format", "changefeed-history", "changefeed-processor", "local-cosmos", "local-host"],
    );
    expect("backup-format", &[]);
    expect("history", &["changefeed-backup-format"]);
    expect("processor", &[]);
    expect("local-cosmos", &[]);
    expect("local-host", &["changefeed-processor"]);
}

#[test]
fn sdk_types_are_named_in_the_rooms_at_the_edge_only() {
    let edges =
        ["handler/history/src/cosmos/", "handler/processor/src/cosmos/", "handler/app/src/config/connection.rs"];
    for folder in [
        "handler/app/src",
        "handler/backup-format/src",
        "handler/history/src",
        "handler/processor/src",
        "handler/local-host/src",
    ] {
        for (path, text) in sources(folder) {
            let at_edge = edges.iter().any(|edge| path.starts_with(edge));
            assert!(at_edge || !text.contains("azure_data_cosmos::"), "{path} names the SDK");
            let at_blobs = path == "handler/backup-format/src/location/blob.rs";
            assert!(at_blobs || !text.contains("azure_storage_blob::"), "{path} names the storage SDK");
        }
    }
}

#[test]
fn the_history_does_not_know_how_it_is_hosted() {
    for (path, text) in sources("handler/history/src") {
        for word in ["actix", "std::env", "changefeed_processor", "StatusCode"] {
            assert!(!text.contains(word), "{path} names {word}");
        }
    }
    for (path, text) in sources("handler/processor/src") {
        assert!(!text.contains("actix") && !text.contains("std::env"), "{path}");
    }
}

#[test]
fn versions_are_created_and_never_replaced() {
    for (path, text) in sources("handler/history/src/capture") {
        assert!(!text.contains(".upsert(") && !text.contains(".replace("), "{path} overwrites");
    }
}

#[test]
fn a_file_is_one_thing() {
    for (path, text) in sources("handler") {
        let source = text.split("#[cfg(test)]").next().expect("source").lines().count();
        assert!(source <= 500, "{path} has {source} lines without its tests");
    }
}

#[test]
fn dependencies_are_pinned_in_the_workspace_only() {
    for name in ["app", "backup-format", "history", "local-cosmos", "local-host", "processor"] {
        let manifest = read(format!("handler/{name}/Cargo.toml"));
        for line in manifest.lines().skip_while(|line| *line != "[dependencies]").filter(|line| line.contains('=')) {
            assert!(line.contains("workspace = true"), "{name}: {line}");
        }
    }
}

#[test]
fn links_between_documents_lead_somewhere() {
    let mut documents = Vec::new();
    files(&root().join("docs"), ".md", &mut documents);
    documents.extend(["README.md", "ARCHITECTURE.md", "CHANGELOG.md", "data/README.md"].map(|name| root().join(name)));
    for document in documents {
        let text = std::fs::read_to_string(&document).expect("document");
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let target = document.parent().expect("folder").join(link);
            assert!(link.starts_with("http") || target.exists(), "{}: {link}", document.display());
        }
    }
}
