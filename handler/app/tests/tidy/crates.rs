//! Which crates a crate may use, from the manifests.

use crate::tree::{File, assert_none, at, exists, file, files};

/// Folder, package, and the folders of our crates that it may use. Arrows point down only.
const CRATES: &[(&str, &str, &[&str])] = &[
    (
        "app",
        "changefeed",
        &["operations", "jobs", "history", "backup-format", "processor", "cosmos", "local-host", "local-cosmos"],
    ),
    ("operations", "changefeed-operations", &["jobs", "history", "backup-format", "cosmos"]),
    ("jobs", "changefeed-jobs", &["cosmos"]),
    ("history", "changefeed-history", &["cosmos"]),
    ("backup-format", "changefeed-backup-format", &[]),
    ("local-host", "local-host", &["processor", "loopback"]),
    ("processor", "changefeed-processor", &["cosmos"]),
    ("cosmos", "changefeed-cosmos", &["query-depth"]),
    ("local-cosmos", "local-cosmos", &["hybrid-row", "loopback", "query-engine"]),
    ("hybrid-row", "hybrid-row", &[]),
    ("loopback", "loopback", &[]),
    ("query-depth", "query-depth", &[]),
    ("query-engine", "query-engine", &[]),
];

/// What the tests of any crate may use besides.
const FOR_TESTS: &[&str] = &["local-cosmos", "processor"];

/// Dependencies that only these crates have.
const CONFINED: &[(&str, &[&str])] = &[
    ("actix-web", &["app", "local-host", "local-cosmos", "loopback"]),
    ("anyhow", &["app"]),
    ("clap", &["app"]),
    ("azure_storage_blob", &["backup-format"]),
    ("azure_core", &["cosmos", "processor", "backup-format", "local-cosmos"]),
    ("azure_data_cosmos", &["cosmos", "processor"]),
    ("azure_data_cosmos_driver", &["local-cosmos"]),
    ("azure_identity", &["cosmos"]),
];

struct Dependency<'a> {
    name: &'a str,
    for_tests: bool,
    line: usize,
    text: &'a str,
}

fn dependencies(manifest: &File) -> Vec<Dependency<'_>> {
    let mut section = "";
    let mut found = Vec::new();
    for (index, text) in manifest.text.lines().map(str::trim).enumerate() {
        let line = index + 1;
        if let Some(header) = text.strip_prefix('[') {
            section = header.trim_end_matches(']');
            // [dependencies.name]
            if let Some((before, name)) = section.rsplit_once("dependencies.") {
                found.push(Dependency { name, for_tests: before.ends_with("dev-"), line, text });
            }
        } else if section.ends_with("dependencies") && !text.starts_with('#') && text.contains('=') {
            let name = text.split([' ', '.', '=']).next().expect("a name");
            found.push(Dependency { name, for_tests: section.ends_with("dev-dependencies"), line, text });
        }
    }
    found
}

fn folder(manifest: &File) -> &str {
    manifest.folder().rsplit('/').next().expect("a folder")
}

fn unexpected_arrows(manifests: &[File]) -> Vec<String> {
    let mut found = Vec::new();
    for manifest in manifests {
        let name = folder(manifest);
        let Some((_, _, allowed)) = CRATES.iter().find(|(folder, _, _)| *folder == name) else {
            found.push(at(&manifest.path, 1, format!("{name} is not in the table of crates")));
            continue;
        };
        for dependency in dependencies(manifest) {
            let Some((used, _, _)) = CRATES.iter().find(|(_, package, _)| *package == dependency.name) else {
                continue;
            };
            let is_allowed = allowed.contains(used) || (dependency.for_tests && FOR_TESTS.contains(used));
            if !is_allowed {
                found.push(at(&manifest.path, dependency.line, format!("{name} must not use {used}")));
            }
        }
    }
    found
}

fn outside_their_crates(manifests: &[File]) -> Vec<String> {
    let mut found = Vec::new();
    for manifest in manifests {
        for dependency in dependencies(manifest).iter().filter(|dependency| !dependency.for_tests) {
            let confined = CONFINED.iter().find(|(name, _)| *name == dependency.name);
            if confined.is_some_and(|(_, crates)| !crates.contains(&folder(manifest))) {
                let message = format!("{} must not use {}", folder(manifest), dependency.name);
                found.push(at(&manifest.path, dependency.line, message));
            }
        }
    }
    found
}

fn pinned_in_a_crate(manifests: &[File]) -> Vec<String> {
    let mut found = Vec::new();
    for manifest in manifests {
        for dependency in dependencies(manifest) {
            if !dependency.text.contains("workspace = true") {
                let message = format!("{} is not `workspace = true`", dependency.name);
                found.push(at(&manifest.path, dependency.line, message));
            }
        }
    }
    found
}

fn manifests() -> Vec<File> {
    files("handler", "/Cargo.toml")
}

#[test]
fn crates_use_only_the_crates_below_them() {
    assert_none(&unexpected_arrows(&manifests()));
    let members = file("Cargo.toml").text;
    for (folder, _, _) in CRATES {
        assert!(exists(&format!("handler/{folder}/src")), "handler/{folder} is in the table of crates only");
        assert!(members.contains(&format!("\"handler/{folder}\"")), "handler/{folder} is not in the workspace");
    }
}

#[test]
fn an_arrow_that_points_up_is_reported() {
    let manifests = [
        File::new(
            "handler/history/Cargo.toml",
            "[dependencies]\nserde = { workspace = true }\nchangefeed-jobs.workspace = true\nchangefeed-cosmos = { workspace = true }\n",
        ),
        File::new(
            "handler/jobs/Cargo.toml",
            "[dev-dependencies]\nlocal-cosmos = { workspace = true }\nlocal-host = {}\n",
        ),
        File::new("handler/cosmos/Cargo.toml", "[target.'cfg(unix)'.dependencies.changefeed]\nworkspace = true\n"),
        File::new("handler/cosmos/Cargo.toml", "[dependencies]\nlocal-cosmos = { workspace = true }\n"),
        File::new("handler/other/Cargo.toml", ""),
    ];
    assert_eq!(
        unexpected_arrows(&manifests),
        [
            "handler/history/Cargo.toml:3: history must not use jobs",
            "handler/jobs/Cargo.toml:3: jobs must not use local-host",
            "handler/cosmos/Cargo.toml:1: cosmos must not use app",
            "handler/cosmos/Cargo.toml:2: cosmos must not use local-cosmos",
            "handler/other/Cargo.toml:1: other is not in the table of crates",
        ]
    );
}

#[test]
fn servers_command_lines_and_sdks_are_in_their_crates_only() {
    assert_none(&outside_their_crates(&manifests()));
}

#[test]
fn a_dependency_outside_its_crate_is_reported() {
    let manifests = [
        File::new("handler/app/Cargo.toml", "[dependencies]\nanyhow = {}\nclap = {}\nactix-web = {}\n"),
        File::new("handler/jobs/Cargo.toml", "[dependencies]\nanyhow = {}\n\n[dev-dependencies]\nclap = {}\n"),
        File::new("handler/history/Cargo.toml", "[dependencies]\n# web\nactix-web.workspace = true\n"),
    ];
    assert_eq!(
        outside_their_crates(&manifests),
        [
            "handler/jobs/Cargo.toml:2: jobs must not use anyhow",
            "handler/history/Cargo.toml:3: history must not use actix-web",
        ]
    );
}

#[test]
fn dependencies_are_pinned_in_the_workspace_only() {
    assert_none(&pinned_in_a_crate(&manifests()));
}

#[test]
fn a_version_in_a_crate_is_reported() {
    let manifest = "[package]\nversion = \"1\"\n\n[dependencies]\nlog = \"0.4\"\nserde = { workspace = true }\n\n[dev-dependencies]\nrand = { version = \"1\" }\n";
    assert_eq!(
        pinned_in_a_crate(&[File::new("handler/jobs/Cargo.toml", manifest)]),
        [
            "handler/jobs/Cargo.toml:5: log is not `workspace = true`",
            "handler/jobs/Cargo.toml:9: rand is not `workspace = true`",
        ]
    );
}
