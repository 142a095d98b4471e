//! The files of the functions app match the executable.

use std::net::TcpListener;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::support::{World, batch_of, executable};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn read_json(path: &Path) -> Value {
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The name and the definition of each function.
fn functions() -> Vec<(String, Value)> {
    let entries = std::fs::read_dir(root()).expect("root").map(|entry| entry.expect("entry").path());
    let with_function = entries.filter(|path| path.join("function.json").exists());
    with_function
        .map(|path| {
            (path.file_name().expect("name").to_string_lossy().into_owned(), read_json(&path.join("function.json")))
        })
        .collect()
}

#[tokio::test]
async fn every_function_is_served_on_its_route_and_method() {
    let world = World::new().await;
    let handler = world.handler();
    let functions = functions();
    assert!(functions.len() >= 5);
    for (name, function) in functions {
        let binding = &function["bindings"][0];
        let (path, methods) = match binding["type"].as_str() {
            Some("cosmosDBTrigger" | "timerTrigger") => (format!("/{name}"), vec!["POST".to_owned()]),
            Some("httpTrigger") => {
                let methods = binding["methods"].as_array().expect("methods").iter();
                let methods = methods.map(|method| method.as_str().expect("method").to_uppercase()).collect();
                // A catch-all route stands for several paths of the handler, and the index has no room for text.
                let route = binding["route"]
                    .as_str()
                    .expect("route")
                    .replace("history/{*path}", "history/versions")
                    .replace("views/{*path}", "views/find")
                    .replace("/{*path}", "")
                    .replace("{ignored:maxlength(0)?}", "");
                (format!("/api/{route}"), methods)
            }
            other => panic!("{name}: {other:?}"),
        };
        let is_trigger = methods == ["POST"];
        for method in methods {
            let (status, answer) = handler.send(method.parse().expect("method"), &path, "application/json", "").await;
            // Which methods a path has is the handler's to say.
            let is_served = status.as_u16() != 404 && (!is_trigger || status.as_u16() != 405);
            assert!(is_served, "{name}: {method} {path}: {status} {answer}");
        }
    }
}

#[test]
fn the_trigger_retries_a_batch_indefinitely() {
    let trigger = read_json(&root().join("CosmosChangeFeed/function.json"));
    assert_eq!(
        (&trigger["retry"]["maxRetryCount"], &trigger["retry"]["strategy"]),
        (&Value::from(-1), &Value::from("exponentialBackoff"))
    );
    assert_eq!(trigger["bindings"][0]["connection"], "CosmosDB");
}

#[test]
fn a_start_with_an_invalid_setting_fails_and_names_it() {
    let start = |settings: &[(&str, &str)]| {
        let output =
            executable().arg("serve").env_remove("CosmosDB").envs(settings.iter().copied()).output().expect("serve");
        assert_eq!(output.status.code(), Some(1));
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let connection = ("CosmosDB", "AccountEndpoint=http://127.0.0.1:1/;AccountKey=c2VjcmV0;");
    assert!(start(&[]).contains("CosmosDB__accountEndpoint"));
    let message = start(&[connection, ("CHANGEFEED_CONCURRENCY", "0")]);
    assert!(message.contains("CHANGEFEED_CONCURRENCY has an invalid value"), "{message}");
    assert!(message.contains("allowed are whole numbers from 1 to 1000"), "{message}");
    let listener = TcpListener::bind("127.0.0.1:0").expect("port");
    let port = listener.local_addr().expect("address").port().to_string();
    let message = start(&[connection, ("FUNCTIONS_CUSTOMHANDLER_PORT", &port)]);
    assert!(message.contains(&port) && message.contains("FUNCTIONS_CUSTOMHANDLER_PORT"), "{message}");
}

#[tokio::test]
async fn the_status_has_settings_without_secrets_containers_and_counts() {
    let world = World::new().await;
    let handler = world.handler();
    let stored = world.put("a", json!({"id": "1", "pk": "a"})).await;
    handler.invoke(&batch_of(&[stored]), false).await;
    let (_, status) = handler.get("/api/status").await;
    assert!(!status.to_string().contains(local_cosmos::EMULATOR_KEY));
    assert_eq!(status["settings"]["CHANGEFEED_CHANGES_CONTAINER"], "changes");
    let container = |name: &str| {
        let containers = status["containers"].as_array().expect("containers");
        containers.iter().find(|container| container["name"] == name).expect("container").clone()
    };
    assert_eq!(
        (&container("changes")["state"], &container("changes")["items"]),
        (&Value::from("ready"), &Value::from(1))
    );
    assert_eq!(container("leases")["state"], "missing");
    assert_eq!(status["sinceStart"]["versions"], 1);
}

#[tokio::test]
async fn the_lines_of_the_log_are_json_objects_if_a_setting_says_so() {
    let world = World::new().await;
    let mut handler = executable()
        .args(["serve", "--port", "0"])
        .env("CosmosDB", world.endpoint.connection_string())
        .env("CHANGEFEED_LOG_FORMAT", "json")
        .env_remove("RUST_LOG")
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("changefeed serve");
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(handler.stdout.take().expect("stdout")));
    let line = lines.next().expect("a line").expect("text");
    let read: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{line}: {error}"));
    assert!(
        read["message"].as_str().is_some_and(|message| message.contains("listening on http://127.0.0.1:")),
        "{line}"
    );
    assert_eq!(read["level"], "info");
    assert!(read["time"].as_str().expect("a time").ends_with('Z') && read["target"].is_string(), "{line}");
    handler.kill().expect("killed");
    handler.wait().expect("ended");
}
