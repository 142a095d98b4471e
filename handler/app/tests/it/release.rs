//! A release as `scripts/release` makes it, from a copy of what is committed.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

use crate::docs_reference::root;

/// A copy of the repository, with the release script and its parts as they are now.
struct Copy(TempDir);

impl Copy {
    fn new() -> Self {
        let copy = Self(tempfile::tempdir().expect("a folder"));
        succeed(Command::new("git").args(["clone", "--quiet", "--no-hardlinks"]).arg(root()).arg(copy.path("")));
        for name in ["release", "package", "package.d/licences.py"] {
            fs::copy(root().join("scripts").join(name), copy.path("scripts").join(name)).expect("copied");
        }
        copy
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join("repository").join(name)
    }

    fn change(&self, name: &str, from: &str, to: &str) {
        let text = fs::read_to_string(self.path(name)).expect("a file");
        assert!(text.contains(from), "{name} has no {from}");
        fs::write(self.path(name), text.replacen(from, to, 1)).expect("written");
    }

    fn commit(&self) {
        let git = |arguments: &[&str]| {
            let identity = ["-c", "user.name=test", "-c", "user.email=test@localhost", "-c", "commit.gpgsign=false"];
            succeed(Command::new("git").args(identity).args(arguments).current_dir(self.path("")));
        };
        git(&["add", "--all"]);
        git(&["commit", "--quiet", "--allow-empty", "--message", "test"]);
    }

    /// Makes a release with a script in place of the executable.
    fn release(&self, version: &str) -> Output {
        let executable = self.0.path().join("changefeed");
        fs::write(&executable, "#!/bin/sh\n").expect("a file");
        fs::set_permissions(&executable, fs::Permissions::from_mode(0o755)).expect("permissions");
        let mut command = Command::new(self.path("scripts/release"));
        command.args([version, "--executable"]).arg(executable).arg("--output").arg(self.0.path().join("made"));
        command.output().expect("the script")
    }

    /// The message of a release that is refused. It leaves nothing behind.
    fn refused(&self, version: &str) -> String {
        let output = self.release(version);
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        let left = fs::read_dir(self.0.path()).expect("a folder").flatten().map(|entry| entry.file_name());
        assert!(!left.into_iter().any(|name| name.to_string_lossy().starts_with("made")));
        String::from_utf8(output.stderr).expect("text")
    }
}

fn succeed(command: &mut Command) -> String {
    let output = command.output().expect("a program");
    assert!(output.status.success(), "{command:?}: {output:?}");
    String::from_utf8(output.stdout).expect("text")
}

fn read(folder: &Path, name: &str) -> String {
    fs::read_to_string(folder.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

#[test]
#[ignore = "needs Python 3; scripts/check runs it"]
fn a_release_has_packages_checksums_crates_and_its_part_of_the_changelog() {
    let copy = Copy::new();
    let version = env!("CARGO_PKG_VERSION");
    copy.commit();
    assert!(copy.refused("9.9.9").contains(&format!("the version in Cargo.toml is {version} and not 9.9.9")));
    assert!(copy.refused(version).contains(&format!("no text below the heading `## {version}`")));
    copy.change("CHANGELOG.md", "## Unreleased\n", &format!("## Unreleased\n\nLater.\n\n## {version} (2026-12-01)\n"));
    assert!(copy.refused(version).contains("not committed:  M CHANGELOG.md"));
    copy.commit();

    let output = copy.release(version);
    assert!(output.status.success(), "{output:?}");
    let folder = copy.0.path().join("made");
    succeed(Command::new("sha256sum").args(["--check", "--strict", "SHA256SUMS"]).current_dir(&folder));
    let sums = read(&folder, "SHA256SUMS");
    let mut summed: Vec<&str> = sums.lines().filter_map(|line| line.split_whitespace().nth(1)).collect();
    summed.sort_unstable();
    let package = summed.iter().find(|name| name.ends_with(".zip")).expect("a package").to_string();
    assert!(package.starts_with(&format!("changefeed-{version}-")), "{package}");
    assert_eq!(summed, ["CHANGES.md", "Dockerfile", package.as_str(), "crates.csv"]);

    let changes = read(&folder, "CHANGES.md");
    assert!(changes.starts_with(&format!("# changefeed {version}\n")), "{changes}");
    assert!(changes.contains("* **Capture.**") && !changes.contains("Later."), "{changes}");
    let crates = read(&folder, "crates.csv");
    assert!(crates.contains("azure_data_cosmos,1.0.0,MIT,"), "{crates}");
    assert!(crates.lines().count() > 100 && !crates.contains("changefeed-history") && !crates.contains("fjall,"));
    let recipe = read(&folder, "Dockerfile");
    assert!(recipe.contains(&format!("ARG PACKAGE={package}")) && recipe.contains("USER 65532:65532"), "{recipe}");
    let again = copy.release(version);
    assert!(String::from_utf8_lossy(&again.stderr).contains("exists; remove it"), "{again:?}");
}
