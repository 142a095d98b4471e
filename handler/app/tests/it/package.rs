//! The package for a function app, as `scripts/package` writes it: unpacked into an empty folder, it runs on the stand-in host.
//!
//! The package of these tests has a script in place of the executable, which starts the one under test.
//! `CHANGEFEED_TEST_PACKAGE=FILE` tests a package that was built for deployment, with the executable in it.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use local_host::{Host, HostOptions, RunningHost};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::docs_reference::root;
use crate::support::{DEADLINE, World, until};

/// Runs a program; it must succeed. Returns what it printed.
fn run(command: &mut Command) -> String {
    let output = command.output().expect("a program");
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?}: {stdout}{stderr}");
    stdout.into_owned()
}

/// Writes a package into a folder.
fn package(folder: &Path, name: &str) -> PathBuf {
    let executable = folder.join("changefeed");
    std::fs::write(&executable, format!("#!/bin/sh\nexec '{}' \"$@\"\n", env!("CARGO_BIN_EXE_changefeed")))
        .expect("a file");
    std::fs::set_permissions(&executable, std::fs::Permissions::from_mode(0o755)).expect("permissions");
    let output = folder.join(name);
    run(Command::new(root().join("scripts/package"))
        .arg("--executable")
        .arg(&executable)
        .arg("--output")
        .arg(&output)
        .env("SOURCE_DATE_EPOCH", "1790000000"));
    output
}

/// Unpacks a zip as `unzip` does, which is not on every machine, and prints the names.
const UNPACK: &str = "
import os, sys, zipfile
package = zipfile.ZipFile(sys.argv[1])
for entry in package.infolist():
    os.chmod(package.extract(entry, sys.argv[2]), entry.external_attr >> 16 & 0o777)
    print(entry.filename)
";

/// A folder with what is in a package, and the names.
fn unpack(package: &Path) -> (TempDir, BTreeSet<String>) {
    let folder = tempfile::tempdir().expect("a folder");
    let listed = run(Command::new("python3").arg("-c").arg(UNPACK).arg(package).arg(folder.path()));
    (folder, listed.lines().map(str::to_owned).collect())
}

#[test]
#[ignore = "needs Python 3; scripts/check runs it"]
fn a_package_has_what_belongs_in_it_and_the_same_bytes_each_time() {
    let folder = tempfile::tempdir().expect("a folder");
    let [first, second] = ["first.zip", "second.zip"].map(|name| package(folder.path(), name));
    assert!(std::fs::read(&first).expect("a package") == std::fs::read(&second).expect("a package"));

    let (unpacked, names) = unpack(&first);
    let mut expected: BTreeSet<String> =
        ["host.json", "LICENSE", "THIRD-PARTY-LICENCES.txt", "bin/changefeed"].map(str::to_owned).into();
    for entry in std::fs::read_dir(root()).expect("root") {
        let folder = entry.expect("entry").path();
        if folder.join("function.json").is_file() {
            let name = folder.file_name().expect("a name").to_string_lossy().into_owned();
            expected.insert(format!("{name}/function.json"));
        }
    }
    assert_eq!(names, expected);

    let mode = |name: &str| std::fs::metadata(unpacked.path().join(name)).expect("a file").permissions().mode() & 0o777;
    assert_eq!((mode("bin/changefeed"), mode("host.json")), (0o755, 0o644));
    let licences = std::fs::read_to_string(unpacked.path().join("THIRD-PARTY-LICENCES.txt")).expect("licences");
    for name in ["azure_data_cosmos 1.0.0 (MIT)", "Rust standard library", "aws-lc-sys ", "zstd-sys "] {
        assert!(licences.contains(name), "{name}");
    }
    // The local tools are not in the executable.
    assert!(!licences.contains("fjall "));
    let with_export = run(Command::new("python3")
        .arg(root().join("scripts/package.d/licences.py"))
        .args(["--target", "x86_64-unknown-linux-gnu"])
        .env("CHANGEFEED_FEATURES", "otlp"));
    let is_licensed = |licences: &str| licences.contains("opentelemetry-otlp ");
    assert_eq!((is_licensed(&licences), is_licensed(&with_export)), (false, true));
}

/// Whether one of the patterns of `.funcignore` leaves out a name in the root.
fn is_ignored(patterns: &str, name: &str) -> bool {
    let patterns = patterns.lines().filter_map(|line| line.strip_prefix('/'));
    patterns.into_iter().any(|pattern| match pattern.split_once('*') {
        Some((start, end)) => name.len() > pattern.len() - 1 && name.starts_with(start) && name.ends_with(end),
        None => name == pattern,
    })
}

#[test]
#[ignore = "needs Python 3; scripts/check runs it"]
fn the_functions_tools_publish_what_a_package_has() {
    let patterns = std::fs::read_to_string(root().join(".funcignore")).expect(".funcignore");
    let tracked = run(Command::new("git").arg("ls-files").current_dir(root()));
    let names: BTreeSet<&str> = tracked.lines().filter_map(|path| path.split('/').next()).collect();
    for name in names {
        let is_function = root().join(name).join("function.json").is_file();
        let is_packed = is_function || ["host.json", "LICENSE"].contains(&name);
        assert_eq!(is_ignored(&patterns, name), !is_packed, "{name}");
    }
    for name in ["target", "dist", "local.settings.json", ".git"] {
        assert!(is_ignored(&patterns, name), "{name}");
    }
    assert!(!is_ignored(&patterns, "bin"));
}

/// Starts the stand-in host on an unpacked package, with the executable that its host.json names and without a disabled function.
async fn start(world: &World, app: &Path, disabled: &str) -> RunningHost {
    let mut all = BTreeMap::from([("CosmosDB".to_owned(), world.endpoint.connection_string())]);
    for (name, value) in [
        ("CHANGEFEED_DATABASE", "dev"),
        ("CHANGEFEED_MONITORED_CONTAINER", "events"),
        ("CHANGEFEED_LEASES_CONTAINER", "leases"),
        ("CHANGEFEED_JOBS_CONTAINER", "jobs"),
    ] {
        all.insert(name.to_owned(), value.to_owned());
    }
    all.insert(format!("AzureWebJobs.{disabled}.Disabled"), "true".to_owned());
    let options =
        HostOptions { script_root: app.to_owned(), port: 0, settings: all, executable: None, ..HostOptions::default() };
    let host = Host::start(options).await.expect("a host");
    tokio::time::timeout(DEADLINE, host.wait_until_ready()).await.expect("in time").expect("a host");
    host
}

/// The leases of the capture that have an owner.
async fn owned_leases(host: &RunningHost) -> usize {
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    let answer = client.get(format!("{}/status", host.api_url())).send().await.expect("an answer");
    let status: Value = serde_json::from_str(&answer.text().await.expect("text")).expect("JSON");
    let leases = status["leases"].as_array().cloned().unwrap_or_default();
    leases.iter().filter(|lease| lease["feed"] == "capture" && lease["owner"].is_string()).count()
}

async fn operations(world: &World) -> Vec<String> {
    let versions = world.versions().await;
    let mut operations: Vec<String> =
        versions.values().map(|version| version["operation"].as_str().expect("operation").to_owned()).collect();
    operations.sort();
    operations
}

async fn world() -> World {
    let world = World::new().await;
    world.create("leases", &["/id"]).await;
    world
}

#[tokio::test]
#[ignore = "needs Python 3; scripts/check runs it"]
async fn an_unpacked_package_runs_on_the_host_and_captures() {
    let folder = tempfile::tempdir().expect("a folder");
    let package = match std::env::var_os("CHANGEFEED_TEST_PACKAGE") {
        Some(file) => root().join(file),
        None => package(folder.path(), "changefeed.zip"),
    };
    let ((app, _), world) = (unpack(&package), world().await);
    let host = start(&world, app.path(), "CosmosChangeFeedAllVersions").await;
    world.put("a", json!({"id": "1", "pk": "a"})).await;
    until("the version", DEADLINE, async || operations(&world).await == ["write"]).await;
    host.stop().await;
}

#[tokio::test]
#[ignore = "needs Python 3; scripts/check runs it"]
async fn a_package_captures_deletes_with_its_other_trigger() {
    let folder = tempfile::tempdir().expect("a folder");
    let package = package(folder.path(), "changefeed.zip");
    let ((app, _), world) = (unpack(&package), world().await);
    let host = start(&world, app.path(), "CosmosChangeFeed").await;
    until("the leases", DEADLINE, async || owned_leases(&host).await == 4).await;
    world.put("a", json!({"id": "1", "pk": "a"})).await;
    world.put("a", json!({"id": "1", "pk": "a", "n": 2})).await;
    world.container("events").await.delete_item("a", "1", None).await.expect("deleted");
    until("all versions", DEADLINE, async || operations(&world).await == ["create", "delete", "replace"]).await;
    host.stop().await;
}
