//! The files of the repository, and how violations are reported.

use std::path::{Path, PathBuf};

/// A text file. Its path is relative to the root of the repository.
pub struct File {
    pub path: String,
    pub text: String,
}

impl File {
    pub fn new(path: &str, text: &str) -> Self {
        Self { path: path.to_owned(), text: text.to_owned() }
    }

    /// The folder of the file, without a slash at its end; empty at the root.
    pub fn folder(&self) -> &str {
        self.path.rsplit_once('/').map_or("", |(folder, _)| folder)
    }
}

pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("root")
}

pub fn exists(path: &str) -> bool {
    root().join(path).exists()
}

/// A file that must exist.
pub fn file(path: &str) -> File {
    let text = std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
    File { path: path.to_owned(), text }
}

/// The files below a folder whose names end like this, sorted by path.
pub fn files(folder: &str, ending: &str) -> Vec<File> {
    let mut paths = Vec::new();
    find(&root().join(folder), ending, &mut paths);
    paths.sort();
    assert!(!paths.is_empty(), "{folder} has no files *{ending}");
    let relative = |path: &PathBuf| path.strip_prefix(root()).expect("below the root").to_string_lossy().into_owned();
    paths.iter().map(|path| file(&relative(path))).collect()
}

fn find(folder: &Path, ending: &str, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
        let path = entry.expect("entry").path();
        if path.is_dir() {
            find(&path, ending, found);
        } else if path.to_string_lossy().ends_with(ending) {
            found.push(path);
        }
    }
}

/// The source files of all crates, without tests and examples in folders of their own.
pub fn sources() -> Vec<File> {
    files("handler", ".rs").into_iter().filter(|file| crate_of(&file.path).is_some()).collect()
}

/// The folder of the crate that has this source file.
pub fn crate_of(path: &str) -> Option<&str> {
    let (folder, rest) = path.strip_prefix("handler/")?.split_once('/')?;
    rest.starts_with("src/").then_some(folder)
}

/// A violation at a line, counted from 1.
pub fn at(path: &str, line: usize, message: impl std::fmt::Display) -> String {
    format!("{path}:{line}: {message}")
}

#[track_caller]
pub fn assert_none(violations: &[String]) {
    assert!(violations.is_empty(), "{} violations:\n{}\n", violations.len(), violations.join("\n"));
}
