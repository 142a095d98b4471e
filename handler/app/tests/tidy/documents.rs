//! Links and paths in documents lead somewhere.

use std::collections::BTreeMap;

use crate::tree::{File, assert_none, at, exists, file, files, root};

/// The documents in the root of the repository.
pub fn at_root() -> Vec<File> {
    let entries = std::fs::read_dir(root()).expect("root");
    let names = entries.map(|entry| entry.expect("entry").file_name().to_string_lossy().into_owned());
    let mut names: Vec<String> = names.filter(|name| name.ends_with(".md")).collect();
    names.sort();
    names.iter().map(|name| file(name)).collect()
}

fn documents() -> Vec<File> {
    let mut documents = at_root();
    documents.extend(files("docs", ".md"));
    documents.extend(files("data", ".md"));
    documents
}

/// The lines outside of code blocks, with their numbers.
fn lines_of_text(document: &File) -> impl Iterator<Item = (usize, &str)> {
    let mut in_block = false;
    document.text.lines().enumerate().filter_map(move |(index, line)| {
        let is_fence = line.trim_start().starts_with("```");
        in_block ^= is_fence;
        (!in_block && !is_fence).then_some((index + 1, line))
    })
}

/// The texts between backticks.
fn code_spans(line: &str) -> impl Iterator<Item = &str> {
    line.split('`').skip(1).step_by(2)
}

/// A line with blanks instead of what is between backticks.
fn without_code(line: &str) -> String {
    line.split('`').step_by(2).collect::<Vec<_>>().join(" ")
}

/// The anchors of a document, as GitHub makes them of headings.
fn anchors(document: &File) -> Vec<String> {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let headings = lines_of_text(document).filter(|(_, line)| line.starts_with('#'));
    let anchor = |(_, line): (usize, &str)| {
        let heading = line.trim_start_matches('#').trim().to_lowercase();
        let kept = heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        let anchor: String = kept.map(|c| if c == ' ' { '-' } else { c }).collect();
        let count = seen.entry(anchor.clone()).or_default();
        *count += 1;
        if *count == 1 { anchor } else { format!("{anchor}-{}", *count - 1) }
    };
    headings.map(anchor).collect()
}

/// The path that a relative link leads to.
fn target(folder: &str, link: &str) -> String {
    let mut path: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in link.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                path.pop();
            }
            name => path.push(name),
        }
    }
    path.join("/")
}

fn broken_links(documents: &[File], exists: impl Fn(&str) -> bool) -> Vec<String> {
    let mut found = Vec::new();
    for document in documents {
        for (line, text) in lines_of_text(document) {
            let text = without_code(text);
            for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
                if link.contains("://") || link.starts_with("mailto:") {
                    continue;
                }
                let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
                let path = if path.is_empty() { document.path.clone() } else { target(document.folder(), path) };
                let linked = documents.iter().find(|document| document.path == path);
                if linked.is_none() && !exists(&path) {
                    found.push(at(&document.path, line, format!("{path} does not exist")));
                } else if !anchor.is_empty()
                    && !linked.is_some_and(|linked| anchors(linked).iter().any(|a| a == anchor))
                {
                    found.push(at(&document.path, line, format!("{path} has no heading #{anchor}")));
                }
            }
        }
    }
    found
}

/// Whether a text between backticks is a path: it has a slash, or the ending of a source file or a document. Texts with blanks or
/// placeholders, HTTP routes and flags are not paths.
fn is_path(text: &str) -> bool {
    let is_file = [".rs", ".md", ".toml", ".sample"].iter().any(|ending| text.ends_with(ending));
    let is_other = text.starts_with(['/', '-', '.', '#']) || text.contains([' ', '<', '…', '*', '{', '=', '(', '"']);
    (is_file || text.contains('/')) && !is_other
}

/// Paths between backticks are relative to the root or to handler/.
fn missing_paths(documents: &[File], exists: impl Fn(&str) -> bool) -> Vec<String> {
    let mut found = Vec::new();
    for document in documents {
        for (line, text) in lines_of_text(document) {
            for path in code_spans(text).filter(|text| is_path(text)) {
                if !exists(path) && !exists(&format!("handler/{path}")) {
                    found.push(at(&document.path, line, format!("{path} does not exist")));
                }
            }
        }
    }
    found
}

/// Documents that comments of the source refer to.
fn missing_documents(sources: &[File], exists: impl Fn(&str) -> bool) -> Vec<String> {
    let mut found = Vec::new();
    for source in sources {
        for (index, line) in source.text.lines().enumerate() {
            let Some((_, comment)) = line.split_once("//") else { continue };
            for path in code_spans(comment).filter(|text| text.starts_with("docs/") && is_path(text)) {
                if !exists(path) {
                    found.push(at(&source.path, index + 1, format!("{path} does not exist")));
                }
            }
        }
    }
    found
}

#[test]
fn links_between_documents_lead_somewhere() {
    assert_none(&broken_links(&documents(), exists));
}

#[test]
fn a_broken_link_is_reported() {
    let documents = [
        File::new(
            "docs/how-to/a.md",
            "[ok](../b.md#two-words-1) `[no](link.md)`\n[gone](c.md) [web](https://example.com/x#y)\n```\n[no](link)\n```\n[anchor](../b.md#three) [here](#top)\n",
        ),
        File::new("docs/b.md", "# Two words\n\n## Two *words*!\n```\n# three\n```\n[file](x.json) [folder](how-to)\n"),
    ];
    let exists = |path: &str| path == "docs/how-to";
    assert_eq!(
        broken_links(&documents, exists),
        [
            "docs/how-to/a.md:2: docs/how-to/c.md does not exist",
            "docs/how-to/a.md:6: docs/b.md has no heading #three",
            "docs/how-to/a.md:6: docs/how-to/a.md has no heading #top",
            "docs/b.md:7: docs/x.json does not exist",
        ]
    );
}

#[test]
fn paths_in_the_documents_for_developers_exist() {
    assert_none(&missing_paths(&["ARCHITECTURE.md", "CONTRIBUTING.md"].map(file), exists));
    assert_none(&missing_documents(&files("handler", ".rs"), exists));
}

#[test]
fn a_path_that_does_not_exist_is_reported() {
    let text = "`app/src/main.rs` and `POST /api/x`, `/api/x`, `cli/<command>/mod.rs`, `--flag`, `serde`\n`jobs/src/gone.rs`, `lost.rs`, `manifest.json`\n";
    let exists = |path: &str| path == "handler/app/src/main.rs";
    let documents = [File::new("ARCHITECTURE.md", text)];
    assert_eq!(
        missing_paths(&documents, exists),
        ["ARCHITECTURE.md:2: jobs/src/gone.rs does not exist", "ARCHITECTURE.md:2: lost.rs does not exist"]
    );
    let folder = "docs";
    let text = format!("\n//! See `{folder}/gone.md`.\nlet text = \"`{folder}/x.md`\";\n");
    let sources = [File::new("handler/jobs/src/run.rs", &text)];
    assert_eq!(missing_documents(&sources, exists), ["handler/jobs/src/run.rs:2: docs/gone.md does not exist"]);
}
