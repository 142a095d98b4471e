//! The routes of the program, the function.json files, the OpenAPI document, the page of the HTTP interface and the command line have the same
//! operations, with the same names. The support of these tests checks every answer of every test against the document.

use std::collections::{BTreeMap, BTreeSet};

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::all_routes::routes;
use crate::docs_reference::{help, read};
use crate::function_keys::http_functions;
use crate::support::contract::{DOCUMENT, is_page, operations, resolved};
use crate::support::subcommands;
use crate::support::{CommandLine, World};

const HTTP: &str = "docs/reference/http.md";

/// The names of the parameters of the query string.
fn parameters(operation: &Value) -> BTreeSet<String> {
    let all = operation["parameters"].as_array().into_iter().flatten();
    let in_query = all.filter(|parameter| parameter["in"] == "query");
    in_query.map(|parameter| parameter["name"].as_str().expect("a name").to_owned()).collect()
}

/// The names of the properties of the body; `None` without a body.
fn properties(operation: &Value) -> Option<BTreeSet<String>> {
    let schema = operation.pointer("/requestBody/content/application~1json/schema")?;
    let choices = schema["oneOf"].as_array().map_or_else(|| vec![schema], |choices| choices.iter().collect());
    let reference = choices.iter().find_map(|choice| choice["$ref"].as_str()).expect("a reference");
    let shape = DOCUMENT.pointer(reference.trim_start_matches('#')).expect("a shape");
    assert_eq!(shape["additionalProperties"], false, "{reference} must refuse unknown properties");
    Some(shape["properties"].as_object().into_iter().flatten().map(|(name, _)| name.clone()).collect())
}

#[tokio::test]
async fn the_document_that_is_served_is_the_committed_one() {
    let world = World::new().await;
    let handler = world.handler();
    let response = handler.respond(Method::GET, "/api/openapi.json", "").await;
    assert_eq!(response.headers()["content-type"], "application/json");
    let served: Value = response.json().await.expect("JSON");
    assert_eq!(served["openapi"], "3.1.0");
    assert_eq!(served["info"]["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(served, *DOCUMENT);
}

#[test]
fn the_document_has_the_routes_of_the_program() {
    let described: BTreeSet<(String, String)> = operations()
        .into_iter()
        .map(|(path, method, _)| (path.replace("{id}", "none").replace("{versionId}", "none"), method))
        .collect();
    let served = routes().into_iter().filter(|(path, _)| path.starts_with("/api"));
    let served = served.flat_map(|(path, methods)| methods.into_iter().map(move |method| (path.clone(), method)));
    // The document says once that HEAD is answered wherever GET is.
    let served = served.filter(|(_, method)| method != Method::HEAD);
    let served: BTreeSet<(String, String)> = served.map(|(path, method)| (path, method.to_string())).collect();
    assert_eq!(described, served);
    let ids: Vec<&Value> = operations().into_iter().map(|(_, _, operation)| &operation["operationId"]).collect();
    let distinct: BTreeSet<String> = ids.iter().map(|id| id.to_string()).collect();
    assert_eq!(ids.len(), distinct.len(), "{ids:?}");
}

#[test]
fn an_operation_needs_the_key_of_its_function() {
    let functions = http_functions();
    for (path, method, operation) in operations() {
        let function = functions.values().find(|function| function.answers(path, &method)).expect("a function");
        let security = operation["security"].to_string();
        let described = match operation.get("security") {
            None => "function",
            Some(_) if security.contains("masterKey") => "admin",
            Some(_) => "anonymous",
        };
        assert_eq!(described, function.level, "{method} {path}: {security}");
        let has_401 = operation["responses"].get("401").is_some();
        assert_eq!(has_401, function.level != "anonymous", "{method} {path}");
    }
}

/// The names in backticks.
fn quoted(text: &str) -> BTreeSet<String> {
    text.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

#[tokio::test]
async fn a_request_takes_the_parameters_and_properties_of_the_document_and_no_others() {
    let world = World::new().await;
    let handler = world.handler();
    for (path, method, operation) in operations() {
        let method: Method = method.parse().expect("a method");
        let target = path.replace("{id}", "none").replace("{versionId}", "none");
        let (status, answer) =
            handler.send(method.clone(), &format!("{target}?colour=red"), "application/json", "").await;
        let message = answer["error"]["message"].as_str().unwrap_or_default();
        assert_eq!(status, StatusCode::BAD_REQUEST, "{method} {path}: {answer}");
        let allowed = message.split_once("allowed are ").map(|(_, names)| names.split(", ")).into_iter().flatten();
        // The source is chosen before the others are read.
        let described: BTreeSet<String> = parameters(operation).into_iter().filter(|name| name != "source").collect();
        assert_eq!(described, allowed.map(str::to_owned).collect(), "{method} {path}: {message}");
        let Some(properties) = properties(operation) else { continue };
        let (status, answer) = handler.send(method.clone(), &target, "application/json", r#"{"colour": 1}"#).await;
        let message = answer["error"]["message"].as_str().unwrap_or_default();
        assert!(
            status == StatusCode::BAD_REQUEST && message.contains("unknown field `colour`"),
            "{method} {path}: {answer}"
        );
        let mut allowed = quoted(message);
        allowed.remove("colour");
        assert_eq!(properties, allowed, "{method} {path}: {message}");
    }
}

/// The sections of the page, by their headings.
fn sections() -> BTreeMap<String, String> {
    let page = read(HTTP);
    let sections = page.split("\n### `").skip(1).filter_map(|section| section.split_once("`\n"));
    sections
        .map(|(heading, text)| (heading.to_owned(), text.split("\n## ").next().unwrap_or_default().to_owned()))
        .collect()
}

#[test]
fn the_page_names_every_operation_with_its_parameters() {
    let mut sections = sections();
    for (path, method, operation) in operations() {
        let heading = format!("{method} {path}");
        let text = sections.remove(&heading).unwrap_or_else(|| panic!("{HTTP} has no section {heading}"));
        let mut named = quoted(&text.replace("```", ""));
        // A table can have several names in a cell, and a value with its name.
        named.extend(named.clone().iter().flat_map(|text| text.split([':', ' ', '{', '"']).map(str::to_owned)));
        if text.contains("a document") {
            named.extend(["id", "pk", "partitionKey"].map(str::to_owned));
        }
        let wanted = parameters(operation).into_iter().chain(properties(operation).into_iter().flatten());
        // A section of its own says which operations take a source.
        let wanted = wanted.filter(|name| name != "source");
        let missing: Vec<String> = wanted.filter(|name| !named.contains(name)).collect();
        assert!(missing.is_empty(), "{HTTP}, {heading}: {missing:?} are not named");
    }
    sections.retain(|heading, _| !heading.split_once(' ').is_some_and(|(_, path)| is_page(path)));
    assert!(sections.is_empty(), "{HTTP} has sections that the document does not have: {:?}", sections.keys());
}

#[test]
fn the_page_and_the_document_have_the_same_errors() {
    let page = read(HTTP);
    let (_, table) = page.split_once("\n## Errors\n").expect("the section");
    let rows = table.lines().skip_while(|line| !line.starts_with("| 4")).take_while(|line| line.starts_with("| "));
    let mut listed = BTreeSet::new();
    for row in rows {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        listed.extend(quoted(cells[2]).into_iter().map(|code| (cells[1].to_owned(), code)));
    }
    let mut described = BTreeSet::new();
    for (_, _, operation) in operations() {
        for (status, response) in operation["responses"].as_object().expect("responses") {
            let codes = resolved(response)
                .pointer("/content/application~1json/schema/allOf/1/properties/error/properties/code/enum");
            let codes = codes.and_then(Value::as_array).into_iter().flatten();
            described.extend(codes.map(|code| (status.clone(), code.as_str().expect("a code").to_owned())));
        }
    }
    // No operation has these: the first is of other methods, the second of the functions that are triggered.
    described.extend([("405".to_owned(), "MethodNotAllowed".to_owned()), ("503".to_owned(), "TryAgain".to_owned())]);
    assert_eq!(listed, described);
}

/// A command and its operation; what only the command has, and what only HTTP has.
struct Pair(&'static str, &'static str, &'static [&'static str], &'static [&'static str]);

/// What only commands have: how they print, ask and wait.
const OF_COMMANDS: [&str; 5] = ["output", "yes", "follow", "help", "wide"];

const PAIRS: &[Pair] = &[
    Pair("history versions", "GET /api/history/versions", &[], &[]),
    Pair("history show", "GET /api/history/versions/{versionId}", &[], &[]),
    Pair("history document", "GET /api/history/document", &[], &[]),
    Pair("history diff", "GET /api/history/diff", &[], &[]),
    Pair("history blame", "GET /api/history/blame", &[], &[]),
    Pair("history search", "GET /api/history/search", &[], &[]),
    Pair("history activity", "GET /api/history/activity", &[], &[]),
    // The command shows the fields; their values are those of `history diff`.
    Pair("history changes", "GET /api/history/changes", &[], &["values"]),
    // On the command line, backups are restored by `backup restore`; and a list of documents is too long for it.
    Pair("restore run", "POST /api/restores", &[], &["documents", "from"]),
    Pair("restore list", "GET /api/restores", &[], &[]),
    Pair("restore show", "GET /api/restores/{id}", &[], &[]),
    Pair("restore items", "GET /api/restores/{id}/items", &[], &[]),
    Pair("restore execute", "POST /api/restores/{id}/execute", &[], &[]),
    Pair("restore cancel", "POST /api/restores/{id}/cancel", &[], &[]),
    Pair("restore undo", "POST /api/restores/{id}/undo", &[], &[]),
    // The command writes to a folder too, where it can discard files.
    Pair("backup create", "POST /api/backups", &["discard"], &[]),
    // Digests are on unless they are turned off.
    Pair("backup policy set", "PUT /api/backup-policy", &["noDigests"], &["digests"]),
    Pair("backup policy show", "GET /api/backup-policy", &[], &[]),
    Pair("backup policy remove", "DELETE /api/backup-policy", &[], &[]),
    // The location is an argument without a name. The command asks.
    Pair("backup prune", "POST /api/backups/prune", &[], &["location", "confirm"]),
    Pair("backup cancel", "POST /api/backups/{id}/cancel", &[], &[]),
    Pair("dead-letters list", "GET /api/dead-letters", &[], &[]),
    Pair("dead-letters show", "GET /api/dead-letters/{id}", &[], &[]),
    Pair("dead-letters replay", "POST /api/dead-letters/{id}/replay", &["all"], &[]),
    Pair("dead-letters discard", "DELETE /api/dead-letters/{id}", &["all"], &[]),
    // The command shows the findings, asks, and then repairs these.
    Pair("verify", "POST /api/verify", &[], &["findingsOf"]),
    Pair("verify list", "GET /api/verify", &[], &[]),
    Pair("verify findings", "GET /api/verify/{id}/findings", &[], &[]),
    Pair("verify show", "GET /api/verify/{id}", &["all"], &[]),
    Pair("verify cancel", "POST /api/verify/{id}/cancel", &[], &[]),
    Pair("digest write", "POST /api/digests", &[], &[]),
    Pair("digest list", "GET /api/digests", &[], &[]),
    Pair("digest show", "GET /api/digests/{id}", &[], &[]),
    Pair("digest cancel", "POST /api/digests/{id}/cancel", &[], &[]),
    // The command reads documents from a file too, asks, and lifts.
    Pair("erase", "POST /api/erasures", &["list", "lift"], &["documents", "confirm"]),
    Pair("erase list", "GET /api/erasures", &[], &[]),
    Pair("erase show", "GET /api/erasures/{id}", &[], &[]),
    // The text of the query is an argument without a name; a parameter is one of `parameters`.
    Pair("query", "POST /api/query", &["parameter"], &["query", "parameters"]),
    Pair("populate", "POST /api/populate", &[], &[]),
    // The command asks.
    Pair("truncate", "POST /api/truncate", &[], &["confirm"]),
    Pair("status", "GET /api/status", &[], &[]),
];

/// Operations without a command of their own: the description, the metrics, `erase --lift`, and backups, which the command line lists, shows and verifies by their locations.
const WITHOUT_COMMAND: [&str; 7] = [
    "GET /api/metrics",
    "GET /api",
    "GET /api/openapi.json",
    "GET /api/backups",
    "GET /api/backups/{id}",
    "POST /api/backups/{id}/verify",
    "POST /api/erasures/lift",
];

/// Commands without an operation: they run or set up the app, or work with files.
const WITHOUT_OPERATION: [&str; 27] = [
    "switch-mode",
    "rehome list",
    "rehome show",
    "rehome cancel",
    "serve",
    "local",
    "process",
    "provision",
    "retention",
    "source add",
    "source list",
    "source remove",
    "doctor",
    "completions",
    "manual",
    "backup verify",
    "backup restore",
    "backup list",
    "backup policy run",
    "backup rehearse",
    "leases list",
    "leases repair",
    "leases unblock",
    "leases export",
    "leases import",
    "leases reset",
    "history export",
];

/// The names of the flags that a help text lists, as JSON spells them.
fn flags(help: &str) -> BTreeSet<String> {
    let lines = help.lines().map(str::trim_start);
    let flags = lines.filter_map(|line| {
        let rest = line
            .strip_prefix("--")
            .or_else(|| line.split_once(", --").filter(|(short, _)| short.len() == 2)?.1.into())?;
        rest.split(|character: char| !character.is_ascii_lowercase() && character != '-').next()
    });
    let camel_case = |flag: &str| {
        let mut words = flag.split('-');
        let first = words.next().unwrap_or_default().to_owned();
        words.fold(first, |name, word| name + &word[..1].to_uppercase() + &word[1..])
    };
    flags.filter(|flag| !flag.is_empty()).map(camel_case).collect()
}

/// Every command without subcommands of its own, and `verify` and `erase`, which have both.
fn commands(command: &[String], found: &mut BTreeMap<String, String>) {
    let help = help(command);
    let names = subcommands(&help);
    if names.is_empty() || command == ["verify"] || command == ["erase"] {
        found.insert(command.join(" "), help);
    }
    for name in names {
        commands(&[command, &[name]].concat(), found);
    }
}

#[test]
fn a_command_and_its_operation_take_the_same_names() {
    let global = flags(&help(&[]));
    let mut found = BTreeMap::new();
    commands(&[], &mut found);
    let mut described: BTreeMap<String, &Value> =
        operations().into_iter().map(|(path, method, operation)| (format!("{method} {path}"), operation)).collect();
    for Pair(command, operation, only_command, only_http) in PAIRS {
        let help = found.remove(*command).unwrap_or_else(|| panic!("there is no command {command}"));
        let operation = described.remove(*operation).unwrap_or_else(|| panic!("there is no operation {operation}"));
        let of_http: BTreeSet<String> =
            parameters(operation).into_iter().chain(properties(operation).into_iter().flatten()).collect();
        let is_of_command = |name: &String| {
            !of_http.contains(name)
                && (global.contains(name)
                    || OF_COMMANDS.contains(&name.as_str())
                    || only_command.contains(&name.as_str()))
        };
        let flags: BTreeSet<String> = flags(&help).into_iter().filter(|name| !is_of_command(name)).collect();
        let is_of_http = |name: &String| only_http.contains(&name.as_str());
        let names: BTreeSet<String> = of_http.iter().filter(|name| !is_of_http(name)).cloned().collect();
        assert_eq!(flags, names, "changefeed {command}");
        for name in only_http.iter() {
            assert!(of_http.contains(*name), "{command}: {name} is listed in this test and does not exist");
        }
    }
    let left: Vec<&String> = found.keys().filter(|name| !WITHOUT_OPERATION.contains(&name.as_str())).collect();
    assert!(left.is_empty(), "commands that this test has no operation for: {left:?}");
    let left: Vec<&String> = described.keys().filter(|name| !WITHOUT_COMMAND.contains(&name.as_str())).collect();
    assert!(left.is_empty(), "operations that this test has no command for: {left:?}");
}

#[tokio::test]
async fn the_index_is_text_a_page_or_json() {
    let world = World::new().await;
    let handler = world.handler();
    let client = reqwest::Client::builder().no_proxy().build().expect("client");
    for (accept, content_type, shows) in [
        ("*/*", "text/plain; charset=utf-8", "POST   /api/restores/{id}/undo"),
        ("text/html,*/*;q=0.8", "text/html; charset=utf-8", "<code>/api/restores/{id}/undo</code>"),
        ("application/json", "application/json", "\"path\":\"/api/restores/{id}/undo\""),
    ] {
        let request = client.get(format!("{}/api", handler.url())).header("accept", accept);
        let response = request.send().await.expect("an answer");
        assert_eq!(response.headers()["content-type"], content_type, "{accept}");
        assert_eq!(response.headers()["vary"], "Accept");
        let text = response.text().await.expect("text");
        assert!(text.contains(shows) && text.contains(env!("CARGO_PKG_VERSION")), "{accept}: {text}");
    }
    let (status, index) = handler.send(Method::GET, "/api/", "", "").await;
    assert!(status == StatusCode::OK && index.is_string(), "{index}");
}

/// A key may be named `pk` where it is one text, as on the command line and in query strings.
#[tokio::test]
async fn a_body_names_a_key_of_one_text_as_the_command_line_does() {
    let world = World::new().await;
    let handler = world.handler();
    let stored = world.put("a", json!({"id": "1", "pk": "a"})).await;
    handler.invoke_until_accepted(&crate::support::batch_of(&[stored])).await;
    for (path, with_pk, with_key) in [
        (
            "/api/restores",
            json!({"id": "1", "pk": "a", "asOf": "-0s", "dryRun": true}),
            json!({"id": "1", "partitionKey": ["a"], "asOf": "-0s", "dryRun": true}),
        ),
        (
            "/api/restores",
            json!({"documents": [{"id": "1", "pk": "a"}], "asOf": "-0s", "dryRun": true}),
            json!({"documents": [{"id": "1", "partitionKey": ["a"]}], "asOf": "-0s", "dryRun": true}),
        ),
        (
            "/api/restores",
            json!({"pk": "a", "asOf": "-0s", "dryRun": true}),
            json!({"partitionKey": ["a"], "asOf": "-0s", "dryRun": true}),
        ),
        (
            "/api/query",
            json!({"container": "events", "query": "SELECT VALUE c.id FROM c", "pk": "a"}),
            json!({"container": "events", "query": "SELECT VALUE c.id FROM c", "partitionKey": ["a"]}),
        ),
    ] {
        let ((status, first), (_, second)) = (handler.post(path, &with_pk).await, handler.post(path, &with_key).await);
        assert_eq!((status, &first["items"]), (StatusCode::OK, &second["items"]), "{with_pk}: {first}");
        assert_eq!(first["items"].as_array().map(Vec::len), Some(1), "{with_pk}: {first}");
        let mut both = with_key;
        both["pk"] = json!("a");
        if both.get("documents").is_none() {
            let (status, refused) = handler.post(path, &both).await;
            assert_eq!(status, StatusCode::BAD_REQUEST, "{both}: {refused}");
            assert!(refused.to_string().contains("not both"), "{refused}");
        }
    }
    let (_, verification) = handler.post("/api/verify", &json!({"pk": "a"})).await;
    assert_eq!(verification["request"]["partitionKey"], json!(["a"]), "{verification}");
}

#[tokio::test]
async fn a_difference_is_to_the_live_document_by_default() {
    let world = World::new().await;
    let handler = world.handler();
    let stored = world.put("a", json!({"id": "1", "pk": "a", "n": 1})).await;
    handler.invoke_until_accepted(&crate::support::batch_of(&[stored])).await;
    let version = world.only_version().await["id"].as_str().expect("id").to_owned();
    world.put("a", json!({"id": "1", "pk": "a", "n": 2})).await;
    let (status, difference) = handler.get(&format!("/api/history/diff?id=1&pk=a&from={version}")).await;
    assert_eq!(status, StatusCode::OK, "{difference}");
    assert_eq!((&difference["to"], &difference["changes"][0]["after"]), (&json!("live"), &json!(2)), "{difference}");
}

#[tokio::test]
async fn a_search_needs_no_filter_over_http_and_on_the_command_line() {
    let world = World::new().await;
    let handler = world.handler();
    world.put("a", json!({"id": "only-document", "pk": "a"})).await;
    let (status, rows) = handler.get("/api/history/search").await;
    assert_eq!((status, &rows["items"][0]["id"]), (StatusCode::OK, &json!("only-document")), "{rows}");
    let (code, printed) = CommandLine::new(&world).text(&["history", "search"]).await;
    assert!(code == 0 && printed.contains("only-document"), "{code}: {printed}");
}
