//! The reference pages agree with the program.
//!
//! `UPDATE_DOCS=1 cargo test -p changefeed --test it docs_reference` rewrites what is generated.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use reqwest::Method;
use serde_json::Value;

use crate::support::{World, executable, subcommands};

const COMMAND_LINE: &str = "docs/reference/command-line.md";
const HTTP: &str = "docs/reference/http.md";
const TROUBLESHOOTING: &str = "docs/troubleshooting.md";
const SETTINGS: &str = "docs/reference/settings.md";

const BEGIN: &str = "<!-- generated: begin -->\n";
const END: &str = "<!-- generated: end -->\n";

pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

pub fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Compares the generated part of a page with what it should be; with `UPDATE_DOCS` it writes it.
fn check(page: &str, generated: &str) {
    let text = read(page);
    let (before, rest) = text.split_once(BEGIN).unwrap_or_else(|| panic!("{page} has no line {BEGIN}"));
    let (found, after) = rest.split_once(END).unwrap_or_else(|| panic!("{page} has no line {END}"));
    if found == generated {
        return;
    }
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(root().join(page), format!("{before}{BEGIN}{generated}{END}{after}")).expect("page");
        return;
    }
    let stale = found.lines().zip(generated.lines()).find(|(found, generated)| found != generated);
    panic!(
        "{page} is stale; to rewrite it: UPDATE_DOCS=1 cargo test -p changefeed --test it docs_reference\n\
         the first difference (page, program): {stale:?}"
    );
}

/// What the program prints about a command.
pub fn help(command: &[String]) -> String {
    let output = executable()
        .args(command)
        .arg("--help")
        .env("COLUMNS", "120")
        .env_remove("USER")
        .stdin(Stdio::null())
        .output()
        .expect("changefeed");
    assert!(output.status.success(), "{command:?}");
    let text = String::from_utf8(output.stdout).expect("text");
    text.lines().map(|line| format!("{}\n", line.trim_end())).collect()
}

/// A section for the command and for each of its subcommands.
fn add_section(command: &[String], sections: &mut String) {
    let help = help(command);
    let title = ["changefeed".to_owned()].iter().chain(command).cloned().collect::<Vec<_>>().join(" ");
    let level = "#".repeat(command.len().max(1) + 1);
    sections.push_str(&format!("{level} {title}\n\n```text\n{}\n```\n\n", help.trim_end()));
    for name in subcommands(&help) {
        add_section(&[command, &[name]].concat(), sections);
    }
}

#[test]
fn the_command_line_page_has_the_help_of_every_command() {
    let mut sections = "\n".to_owned();
    add_section(&[], &mut sections);
    assert!(sections.matches("\n## ").count() > 12 && sections.contains("### changefeed restore undo"), "{sections}");
    check(COMMAND_LINE, &sections);
}

/// The methods that the page of the HTTP interface has a heading for, by path.
fn documented() -> BTreeMap<String, BTreeSet<String>> {
    let mut paths = BTreeMap::<String, BTreeSet<String>>::new();
    let page = read(HTTP);
    for heading in page.lines().filter_map(|line| line.strip_prefix("### `")?.strip_suffix('`')) {
        let (method, path) = heading.split_once(' ').unwrap_or_else(|| panic!("{HTTP}: {heading}"));
        assert!(paths.entry(path.to_owned()).or_default().insert(method.to_owned()), "{HTTP} has {heading} twice");
        if method == "GET" {
            // The page says once that HEAD is answered wherever GET is.
            paths.entry(path.to_owned()).or_default().insert("HEAD".to_owned());
        }
    }
    assert!(paths.len() > 10, "{paths:?}");
    paths
}

/// The beginning of the paths of HTTP functions, and their methods. Two functions can have the same paths.
fn functions() -> BTreeMap<String, BTreeSet<String>> {
    let mut functions = BTreeMap::<String, BTreeSet<String>>::new();
    for entry in std::fs::read_dir(root()).expect("root") {
        let folder = entry.expect("entry").path();
        let Ok(text) = std::fs::read_to_string(folder.join("function.json")) else { continue };
        let function: Value = serde_json::from_str(&text).expect("function.json");
        let binding = &function["bindings"][0];
        if binding["type"] != "httpTrigger" {
            continue;
        }
        let route = binding["route"].as_str().expect("route");
        let methods = binding["methods"].as_array().expect("methods").iter();
        let methods = methods.map(|method| method.as_str().expect("method").to_uppercase());
        let route = format!("/api/{}", route.trim_end_matches("/{*path}").replace("{ignored:maxlength(0)?}", ""));
        functions.entry(route.trim_end_matches('/').to_owned()).or_default().extend(methods);
    }
    functions
}

#[test]
fn the_http_page_and_the_function_files_have_the_same_routes() {
    let (documented, functions) = (documented(), functions());
    let is_below = |path: &str, route: &str| path == route || route != "/api" && path.starts_with(&format!("{route}/"));
    for (route, methods) in &functions {
        let own = documented.iter().filter(|(path, _)| is_below(path, route));
        let shown: BTreeSet<String> = own.flat_map(|(_, methods)| methods).cloned().collect();
        assert!(shown.is_subset(methods), "{HTTP} and the function.json files, {route}");
    }
    for path in documented.keys() {
        assert!(functions.keys().any(|route| is_below(path, route)), "{path} is in {HTTP} and in no function.json");
    }
}

#[tokio::test]
async fn the_http_page_has_every_path_and_method_that_the_handler_answers_to() {
    let documented = documented();
    let world = World::new().await;
    let handler = world.handler();
    for (path, methods) in &documented {
        // The answer to a method that no path has names those that it has.
        let (status, answer) =
            handler.send(Method::PATCH, &path.replace("{id}", "1").replace("{versionId}", "1"), "", "").await;
        assert_eq!(status.as_u16(), 405, "{path} is in {HTTP}, but: {answer}");
        let allowed = answer["error"]["details"]["allowed"].as_str().expect("allowed");
        let allowed = allowed.split(", ").filter(|method| *method != "OPTIONS");
        let allowed: BTreeSet<String> = allowed.map(str::to_owned).collect();
        assert_eq!(allowed, *methods, "{path} in {HTTP}");
    }
    // The paths in the program's source; those of answers have a place for an id, `{}`.
    let mut served = BTreeSet::new();
    for (_, text) in sources(&root().join("handler/app/src")) {
        let text = text.split("#[cfg(test)]").next().unwrap_or_default();
        let literals = text.split("\"/api/").skip(1).filter_map(|rest| rest.split('"').next());
        served.extend(literals.filter(|path| !path.contains("{}")).map(|path| format!("/api/{path}")));
    }
    assert!(served.len() > 10, "{served:?}");
    let plain = |path: &String| path.replace("{versionId}", "{id}");
    let documented: BTreeSet<String> = documented.keys().map(plain).collect();
    for path in served.iter().map(plain).collect::<BTreeSet<_>>() {
        assert!(documented.contains(&path), "{path} is served and is not in {HTTP}");
    }
}

fn sources(folder: &Path) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("folder") {
        let path = entry.expect("entry").path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            let text = std::fs::read_to_string(&path).expect("source");
            found.push((path, text));
        }
    }
    found
}

/// The settings in the source, with their defaults.
fn settings() -> Vec<(String, String)> {
    let mut settings = Vec::new();
    for (_, text) in sources(&root().join("handler/app/src")) {
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        for rest in text.split("Setting { name: \"").skip(1) {
            let Some((name, rest)) = rest.split_once('"') else { continue };
            let Some((_, rest)) = rest.split_once("default: \"") else { continue };
            settings.push((name.to_owned(), rest.split('"').next().expect("default").to_owned()));
        }
    }
    settings
}

#[test]
fn the_settings_page_and_the_sample_file_have_every_setting_with_its_default() {
    let page = read(SETTINGS);
    let sample: Value = serde_json::from_str(&read("local.settings.json.sample")).expect("JSON");
    let settings = settings();
    assert!(settings.len() > 8, "{settings:?}");
    for (name, default) in &settings {
        let row = page.lines().find(|line| line.starts_with(&format!("| `{name}` |")));
        let row = row.unwrap_or_else(|| panic!("{SETTINGS} has no row for {name}"));
        let cell = row.split('|').nth(2).expect("default").trim().trim_matches('`');
        assert_eq!(cell, default, "the default of {name} in {SETTINGS}");
        assert!(
            sample["Values"].get(name).is_some() || name == "FUNCTIONS_CUSTOMHANDLER_PORT",
            "{name} in local.settings.json.sample"
        );
    }
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `CHANGEFEED_")?.split('`').next());
    // Those of a source have its name before two underscores.
    for name in rows.filter(|rest| !rest.contains("__")).map(|rest| format!("CHANGEFEED_{rest}")) {
        assert!(settings.iter().any(|(setting, _)| *setting == name), "{name} is in {SETTINGS} and is no setting");
    }
}

/// Parts of errors in the page that are the SDK's or the operating system's, or that the program fills in.
const FOREIGN: [&str; 7] = [
    "AccountProperties fetch from",
    "error sending request",
    "failed to resolve container metadata",
    "has no AccountKey",
    "No space left on device",
    "Permission denied",
    "Quota exceeded",
];

#[test]
fn the_errors_of_the_troubleshooting_page_are_those_of_the_program() {
    let mut source = String::new();
    for folder in std::fs::read_dir(root().join("handler")).expect("handler") {
        let folder = folder.expect("entry").path().join("src");
        if folder.is_dir() {
            source.extend(sources(&folder).into_iter().map(|(_, text)| text));
        }
    }
    // A text may be broken over lines, with a backslash at the end of each.
    let lines = source.lines().map(|line| line.trim().trim_end_matches('\\'));
    let source: String = lines.flat_map(|line| [line, if line.ends_with(' ') { "" } else { "\n" }]).collect();
    let page = read(TROUBLESHOOTING);
    let (_, errors) = page.split_once("## By error text").expect("the section");
    let rows = errors.lines().filter_map(|line| line.strip_prefix("| `")?.split('|').next());
    let texts = rows.flat_map(|cell| cell.split('`')).flat_map(|text| text.split('…')).map(str::trim);
    let texts: Vec<&str> =
        texts.filter(|text| text.len() >= 12 && !FOREIGN.iter().any(|foreign| text.contains(foreign))).collect();
    let stale: Vec<&&str> = texts.iter().filter(|text| !source.contains(**text)).collect();
    assert!(stale.is_empty(), "{TROUBLESHOOTING} has errors that the program does not have: {stale:#?}");
    assert!(texts.len() > 10, "{texts:?}");
}
