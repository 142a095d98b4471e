//! Which key opens what: the table of functions, from their files, is that of the program, of the page and of the stand-in host. And the
//! script that sets the keys.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use azure_data_cosmos::FeedScope;
use futures::TryStreamExt;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use crate::all_routes::{page_paths, routes};
use crate::support::Local;

const HTTP: &str = "docs/reference/http.md";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// An HTTP function as its file declares it.
pub struct HttpFunction {
    /// `/api/restores/{*path}`
    route: String,
    methods: BTreeSet<String>,
    /// `anonymous`, `function` or `admin`
    pub level: String,
}

const READING: [&str; 3] = ["GET", "HEAD", "OPTIONS"];
const WRITING: [&str; 4] = ["DELETE", "PATCH", "POST", "PUT"];

impl HttpFunction {
    pub fn answers(&self, path: &str, method: &str) -> bool {
        let is_below = match self.route.strip_suffix("/{*path}") {
            Some(start) => path == start || path.starts_with(&format!("{start}/")),
            None => path == self.route,
        };
        is_below && self.methods.contains(method)
    }

    /// Whether no request that could write reaches it.
    fn only_reads(&self) -> bool {
        self.methods.iter().all(|method| READING.contains(&method.as_str()))
    }

    /// The methods that the program has on its paths.
    fn served(&self) -> BTreeSet<String> {
        let own = passed_on().into_iter().filter(|(path, method)| self.answers(path, method));
        own.map(|(_, method)| method).collect()
    }
}

pub fn http_functions() -> BTreeMap<String, HttpFunction> {
    let mut functions = BTreeMap::new();
    for entry in std::fs::read_dir(root()).expect("root") {
        let folder = entry.expect("entry").path();
        let Ok(text) = std::fs::read_to_string(folder.join("function.json")) else { continue };
        let function: Value = serde_json::from_str(&text).expect("function.json");
        let binding = &function["bindings"][0];
        if binding["type"] != "httpTrigger" {
            continue;
        }
        let text = |name: &str| binding[name].as_str().expect("text").to_owned();
        let methods = binding["methods"].as_array().expect("methods").iter();
        let methods = methods.map(|method| method.as_str().expect("method").to_uppercase()).collect();
        let name = folder.file_name().expect("name").to_string_lossy().into_owned();
        // A parameter without room for text: the path is the prefix alone.
        let route = format!("/api/{}", text("route").replace("{ignored:maxlength(0)?}", ""));
        let route = route.trim_end_matches('/').to_owned();
        functions.insert(name, HttpFunction { route, methods, level: text("authLevel") });
    }
    functions
}

/// The paths and methods of the program that the host passes on.
fn passed_on() -> Vec<(String, String)> {
    let routes = routes().into_iter().filter(|(path, _)| path.starts_with("/api"));
    let methods = |(path, methods): (String, Vec<Method>)| {
        methods.into_iter().map(move |method| (path.clone(), method.to_string()))
    };
    let reading = ["GET", "HEAD"].map(str::to_owned);
    let pages = page_paths().into_iter().flat_map(|path| reading.clone().map(|method| (path.clone(), method)));
    routes.flat_map(methods).chain(pages).collect()
}

#[test]
fn every_path_and_method_of_the_program_belongs_to_one_function() {
    let (functions, passed_on) = (http_functions(), passed_on());
    assert!(passed_on.len() > 30, "{passed_on:?}");
    for (path, method) in &passed_on {
        let names: Vec<&String> =
            functions.iter().filter(|(_, function)| function.answers(path, method)).map(|(name, _)| name).collect();
        assert_eq!(names.len(), 1, "{method} {path}: {names:?}");
    }
}

#[test]
fn every_method_reaches_the_handler_by_one_function_of_each_route() {
    let mut routes = BTreeMap::<String, Vec<String>>::new();
    for function in http_functions().into_values() {
        routes.entry(function.route).or_default().extend(function.methods);
    }
    let all = BTreeSet::from_iter(READING.into_iter().chain(WRITING).map(str::to_owned));
    for (route, methods) in routes {
        assert_eq!(methods.len(), all.len(), "{route} has a method twice, or lacks one: {methods:?}");
        assert_eq!(BTreeSet::from_iter(methods), all, "{route}");
    }
}

#[test]
fn a_function_reads_or_writes_and_those_for_trying_out_need_the_master_key() {
    for (name, function) in http_functions() {
        let served = function.served();
        let reads = served.contains("GET");
        let is_reading = served.iter().all(|method| READING.contains(&method.as_str()));
        assert_eq!(reads, is_reading && !served.is_empty(), "{name} must not read and write: {served:?}");
        assert_eq!(reads, served.contains("HEAD"), "{name}: HEAD goes with GET");
        // Below a route with many paths, the methods themselves keep writing requests away from the function that reads.
        if function.route.ends_with("/{*path}") {
            let methods: Vec<&str> = function.methods.iter().map(String::as_str).collect();
            assert_eq!(methods, if reads { &READING[..] } else { &WRITING }, "{name}");
        }
        let expected = match name.as_str() {
            "Populate" | "Truncate" => "admin",
            // Pages and files without data, which a browser loads without a header.
            "Index" | "OpenApi" | "Console" => "anonymous",
            _ => "function",
        };
        assert_eq!(function.level, expected, "{name}");
    }
}

#[test]
fn the_http_page_has_the_table_of_functions() {
    let page = std::fs::read_to_string(root().join(HTTP)).expect("page");
    for (name, function) in http_functions() {
        let known = ["GET", "HEAD", "POST", "PUT", "DELETE"];
        let served = function.served();
        let methods: Vec<&str> = known.into_iter().filter(|method| served.contains(*method)).collect();
        let methods = if methods.is_empty() { "none".to_owned() } else { methods.join(", ") };
        let route = function.route.replace("/{*path}", "/…");
        let row = format!("| `{name}` | `{route}` | {methods} | {} |", function.level);
        assert!(page.lines().any(|line| line == row), "{HTTP} has no row {row}");
    }
    let rows = page
        .lines()
        .filter(|line| ["function", "admin", "anonymous"].iter().any(|level| line.ends_with(&format!("| {level} |"))))
        .count();
    assert_eq!(rows, http_functions().len(), "{HTTP} has a row for a function that does not exist");
}

#[tokio::test]
async fn the_stand_in_host_asks_for_the_key_of_the_functions_level() {
    let local = Local::start(&["--require-keys"]).await;
    let api = local.ready["api"].as_str().expect("api").trim_end_matches("/api").to_owned();
    let client = reqwest::Client::builder().no_proxy().build().expect("client");
    let status = async |method: &str, path: &str, key: Option<&str>| {
        let request = client.request(method.parse::<Method>().expect("method"), format!("{api}{path}"));
        let request = key.into_iter().fold(request, |request, key| request.header("x-functions-key", key));
        let response = request.header("content-type", "application/json").send().await.expect("an answer");
        let status = response.status();
        (status, response.text().await.expect("body"))
    };
    let key = |name: &str| local.ready[name].as_str().expect("key").to_owned();
    let (host, master) = (key("functionKey"), key("masterKey"));
    let functions = http_functions();
    for (path, method) in passed_on() {
        let function = functions.values().find(|function| function.answers(&path, &method)).expect("a function");
        let without = status(&method, &path, None).await.0;
        let is_anonymous = function.level == "anonymous";
        assert_eq!(without == StatusCode::UNAUTHORIZED, !is_anonymous, "{method} {path} without a key: {without}");
        let (found, text) = status(&method, &path, Some(&host)).await;
        assert_eq!(found == StatusCode::UNAUTHORIZED, function.level == "admin", "{method} {path}: {found} {text}");
        let (found, text) = status(&method, &path, Some(&master)).await;
        assert_ne!(found, StatusCode::UNAUTHORIZED, "{method} {path} with the master key");
        // The host answers what it does not pass on with an empty body.
        assert!(method == "HEAD" || !text.is_empty(), "{method} {path} was not passed on: {found}");
    }
    // Every method is passed on, so that the handler says which ones a path has.
    for (path, _) in routes().iter().filter(|(path, _)| path.starts_with("/api")) {
        let (found, text) = status("PATCH", path, Some(&master)).await;
        let answer: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{path}: {error}: {text:?}"));
        assert_eq!(found, StatusCode::METHOD_NOT_ALLOWED, "{path}: {text}");
        assert_eq!(answer["error"]["code"], "MethodNotAllowed", "{path}");
        let (found, text) = status("OPTIONS", path, Some(&master)).await;
        assert_eq!((found, text.as_str()), (StatusCode::NO_CONTENT, ""), "{path}");
    }
    let (found, text) = status("GET", "/api/restores/none/nothing", Some(&host)).await;
    assert!(found == StatusCode::NOT_FOUND && text.contains("unknown path"), "{found} {text}");
    // What no function has is the host's: it answers without a body.
    let (found, text) = status("GET", "/api/nothing", Some(&master)).await;
    assert_eq!((found, text.as_str()), (StatusCode::NOT_FOUND, ""));
}

#[tokio::test]
async fn a_holder_of_the_function_key_reaches_no_function_that_the_host_calls_or_that_needs_the_master_key() {
    let local = Local::start(&["--require-keys"]).await;
    let address = local.ready["api"].as_str().expect("api").trim_start_matches("http://").trim_end_matches("/api");
    let key = local.ready["functionKey"].as_str().expect("key");
    let forged = json!([{"id": "forged", "_etag": "\"1\"", "_ts": 1_800_000_000, "_lsn": 1}]).to_string();
    let delivery = json!({"Data": {"documents": Value::from(forged).to_string()}, "Metadata": {}}).to_string();
    for (path, body, expected) in [
        ("/api/restores/../../CosmosChangeFeed", &*delivery, "404"),
        ("/api/restores/%2e%2e/%2E%2e/CosmosChangeFeed", &delivery, "404"),
        // The program has a resource with one segment here, which cannot be written.
        ("/api/restores/..%2f..%2fCosmosChangeFeed", &delivery, "405"),
        // The path that remains is that of a function which needs the master key.
        ("/api/restores/../truncate", r#"{"container": "events", "confirm": "events"}"#, "401"),
    ] {
        // An HTTP client would resolve the path before it sends it.
        let mut connection = BufReader::new(TcpStream::connect(address).await.expect("a host that listens"));
        let length = body.len();
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: {address}\r\nx-functions-key: {key}\r\n\
             Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        connection.write_all(request.as_bytes()).await.expect("a host that listens");
        let mut line = String::new();
        connection.read_line(&mut line).await.expect("an answer");
        assert_eq!(line.split(' ').nth(1), Some(expected), "{path}: {line}");
    }
    let changes = local.client.sdk().database_client("dev").container_client("changes", None).await.expect("changes");
    let query = "SELECT * FROM c WHERE c.sourceId = 'forged'";
    let versions = changes.query_items::<Value>(query, FeedScope::full_container(), None).await.expect("query");
    assert_eq!(versions.try_collect::<Vec<_>>().await.expect("items"), Vec::<Value>::new());
}

/// Runs the script with a stand-in for the Azure CLI, which writes its arguments into a file. Returns the output and the calls.
fn run_script(arguments: &[&str], az: &str) -> (Output, Vec<String>) {
    let folder = tempfile::tempdir().expect("folder");
    let (program, calls) = (folder.path().join("az"), folder.path().join("calls"));
    let script = format!("#!/bin/sh\nprintf '%s\\n' \"$*\" >>'{}'\n{az}\n", calls.display());
    std::fs::write(&program, script).expect("az");
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).expect("permissions");
    let path = format!("{}:{}", folder.path().display(), std::env::var("PATH").expect("PATH"));
    let mut command = Command::new(root().join("scripts/keys"));
    let output = command.args(arguments).env("PATH", path).env_remove("CHANGEFEED_READ_KEY").output();
    let calls = std::fs::read_to_string(calls).unwrap_or_default();
    (output.expect("scripts/keys"), calls.lines().map(str::to_owned).collect())
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

const APP: [&str; 4] = ["--name", "shop", "--resource-group", "prod"];

/// The functions that a holder of the read-only key may call.
fn reading() -> Vec<String> {
    let functions = http_functions().into_iter();
    // A query only reads, although it is sent with POST.
    let opens = |name: &str, function: &HttpFunction| {
        let is_alone = ["Status", "Metrics", "Query"].contains(&name);
        function.level == "function" && (is_alone || function.only_reads())
    };
    functions.filter(|(name, function)| opens(name, function)).map(|(name, _)| name).collect()
}

#[test]
fn the_script_sets_one_value_as_the_key_read_of_every_reading_function() {
    let (output, calls) = run_script(&APP, "exit 0");
    assert!(output.status.success(), "{}", text(&output.stderr));
    let key = text(&output.stdout).lines().last().expect("the key").to_owned();
    assert!(key.len() >= 40 && key.chars().all(|character| character.is_ascii_alphanumeric()), "{key}");
    let expected = reading().into_iter().map(|name| {
        format!(
            "functionapp function keys set --name shop --resource-group prod --function-name {name} --key-name read \
             --key-value {key} --output none"
        )
    });
    assert_eq!(calls, expected.collect::<Vec<_>>());
}

#[test]
fn the_script_can_show_what_it_would_do_and_remove_the_keys() {
    let (output, calls) = run_script(&[&APP[..], &["--slot", "blue", "--dry-run"]].concat(), "exit 0");
    assert!(output.status.success() && calls.is_empty(), "{calls:?}");
    let printed = text(&output.stdout);
    assert_eq!(printed.lines().filter(|line| line.starts_with("az functionapp")).count(), reading().len(), "{printed}");
    assert!(printed.contains("--slot blue") && printed.contains("--key-value <key>"), "{printed}");

    let (output, calls) = run_script(&[&APP[..], &["--remove"]].concat(), "exit 0");
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(calls.len(), reading().len());
    let removes = |call: &String| call.contains("keys delete") && call.ends_with("--key-name read --output none");
    assert!(calls.iter().all(removes), "{calls:?}");
}

#[test]
fn the_script_ends_at_the_first_failure_and_explains_its_arguments() {
    let (output, calls) = run_script(&APP, "echo no such app >&2; exit 3");
    assert!(!output.status.success());
    assert_eq!(calls.len(), 1, "{calls:?}");
    assert!(text(&output.stderr).contains("no such app"), "{}", text(&output.stderr));
    let (help, _) = run_script(&["--help"], "exit 0");
    let help = text(&help.stdout);
    for name in ["--name", "--resource-group", "--slot", "--dry-run", "--remove", "CHANGEFEED_READ_KEY"] {
        assert!(help.contains(name), "{name}: {help}");
    }
    let (missing, calls) = run_script(&["--name", "shop"], "exit 0");
    assert!(missing.status.code() == Some(2) && calls.is_empty());
    assert!(text(&missing.stderr).contains("--resource-group"), "{}", text(&missing.stderr));
}
