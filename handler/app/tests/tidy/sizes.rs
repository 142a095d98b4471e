//! How long files are.

use crate::rust_source::without_tests;
use crate::tree::{File, assert_none, at, file, files};

/// The most lines of a source file, without its tests.
const SOURCE_LINES: usize = 500;
/// The most lines of a document that is read from top to bottom.
const PAGE_LINES: usize = 120;

fn too_long(files: &[File], limit: usize) -> Vec<String> {
    let mut found = Vec::new();
    for file in files {
        let lines =
            if file.path.ends_with(".rs") { lines_without_tests(&file.text) } else { file.text.lines().count() };
        if lines > limit {
            found.push(at(&file.path, limit + 1, format!("{lines} lines; at most {limit} are allowed")));
        }
    }
    found
}

/// The tests of a file are at its end.
fn lines_without_tests(text: &str) -> usize {
    without_tests(text).trim_end().lines().count()
}

#[test]
fn a_file_is_one_thing() {
    assert_none(&too_long(&files("handler", ".rs"), SOURCE_LINES));
    assert_none(&too_long(&["ARCHITECTURE.md", "README.md"].map(file), PAGE_LINES));
}

#[test]
fn a_file_that_is_too_long_is_reported() {
    let tests = "#[cfg(test)]\nmod tests {\n    fn a() {}\n}\n";
    let long = "fn a() {}\n".repeat(5);
    let planted = [File::new("a.rs", &[&long, tests].concat()), File::new("b.md", &"b\n".repeat(7))];
    assert_none(&too_long(&planted[..1], 5));
    assert_eq!(
        too_long(&planted, 4),
        ["a.rs:5: 5 lines; at most 4 are allowed", "b.md:5: 7 lines; at most 4 are allowed"]
    );
}
