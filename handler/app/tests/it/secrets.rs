//! No secret is printed, wherever it was put: into the user or the query of a URL, or into the wrong setting.

use std::process::{Command, Output, Stdio};
use std::time::Duration;

use local_cosmos::{Endpoint, Options};
use serde_json::Value;
use tokio::time::Instant;

use crate::support::{Handler, executable};

/// A secret that no output may have.
const MARKER: &str = "hunter2marker";

const SETTINGS: [&str; 43] = [
    "AzureWebJobsCosmosDB",
    "AzureWebJobsCosmosDB__accountEndpoint",
    "CosmosDB",
    "CosmosDB__accountEndpoint",
    "CosmosDB__credential",
    "CosmosDB__tenantId",
    "CosmosDB__clientId",
    "CosmosDB__clientSecret",
    "CHANGEFEED_DATABASE",
    "CHANGEFEED_MONITORED_CONTAINER",
    "CHANGEFEED_CHANGES_CONTAINER",
    "CHANGEFEED_SOURCES",
    "CHANGEFEED_orders__monitored",
    "CHANGEFEED_LEASES_CONTAINER",
    "CHANGEFEED_JOBS_CONTAINER",
    "CHANGEFEED_DEAD_LETTERS_CONTAINER",
    "CHANGEFEED_CONCURRENCY",
    "CHANGEFEED_BATCH_TIMEOUT_SECONDS",
    "CHANGEFEED_INDEXED_FIELDS",
    "CHANGEFEED_ACTOR_FIELDS",
    "CHANGEFEED_OMITTED_FIELDS",
    "CHANGEFEED_CAPTURE_FILTER",
    "CHANGEFEED_TIME_ZONE",
    "CHANGEFEED_RETENTION_DAYS",
    "CHANGEFEED_RESTORED_AT_FIELD",
    "CHANGEFEED_RESTORE_ID_FIELD",
    "CHANGEFEED_MODE",
    "CHANGEFEED_LEASE_PREFIX",
    "CHANGEFEED_ALL_VERSIONS_LEASE_PREFIX",
    "CHANGEFEED_STALLED_AFTER_SECONDS",
    "CHANGEFEED_UNBLOCK_LEASES",
    "CHANGEFEED_BACKUP_STORAGE",
    "CHANGEFEED_BACKUP_HOSTS",
    "CHANGEFEED_JOB_BUDGET",
    "CHANGEFEED_THROUGHPUT_BUCKET",
    "CHANGEFEED_PREFERRED_REGIONS",
    "CHANGEFEED_TRYOUT_FUNCTIONS",
    "FUNCTIONS_CUSTOMHANDLER_PORT",
    "FUNCTIONS_APP_ROOT_PATH",
    "CHANGEFEED_LOG_FORMAT",
    "RUST_LOG",
    "USER",
    "CHANGEFEED_UNKNOWN",
];

/// Settings that are printed on purpose, and in which a short word cannot be recognized as a secret.
const PRINTED: [&str; 17] = [
    "CHANGEFEED_DATABASE",
    "CHANGEFEED_MONITORED_CONTAINER",
    "CHANGEFEED_CHANGES_CONTAINER",
    "CHANGEFEED_SOURCES",
    "CHANGEFEED_LEASES_CONTAINER",
    "CHANGEFEED_JOBS_CONTAINER",
    "CHANGEFEED_DEAD_LETTERS_CONTAINER",
    "CHANGEFEED_INDEXED_FIELDS",
    "CHANGEFEED_ACTOR_FIELDS",
    "CHANGEFEED_OMITTED_FIELDS",
    "CHANGEFEED_CAPTURE_FILTER",
    "CHANGEFEED_RESTORED_AT_FIELD",
    "CHANGEFEED_RESTORE_ID_FIELD",
    "CHANGEFEED_LEASE_PREFIX",
    "CHANGEFEED_ALL_VERSIONS_LEASE_PREFIX",
    "CHANGEFEED_BACKUP_HOSTS",
    "CHANGEFEED_PREFERRED_REGIONS",
];

/// Values with the secret: in the user and in the query of a URL, as an account key, in connection strings, and alone.
fn values(account: &str) -> Vec<String> {
    let host = account.trim_start_matches("http://").trim_end_matches('/');
    let key = format!("{MARKER}{}==", "A".repeat(86 - MARKER.len()));
    vec![
        format!("http://me:{MARKER}@{host}/"),
        format!("http://{MARKER}@{host}"),
        format!("http://{host}/?sv=1&sig={MARKER}"),
        format!("http://{host}/#{MARKER}"),
        format!("AccountEndpoint={account};AccountKey={key};"),
        format!("AccountEndpoint=http://me:{MARKER}@{host}/;AccountKey={key};"),
        format!("AccountEndpoint={account};AccountKey=not base64 {MARKER};"),
        format!("DefaultEndpointsProtocol=https;AccountName=me:{MARKER}@shop;AccountKey={key}"),
        format!("BlobEndpoint=http://me:{MARKER}@{host}/c;SharedAccessSignature=sv=1&sig={MARKER}"),
        format!("BlobEndpoint=http://{host}/c?sig={MARKER};SharedAccessSignature=sv=1&sig={MARKER}"),
        key,
        MARKER.to_owned(),
    ]
}

fn is_printed_on_purpose(setting: &str, value: &str) -> bool {
    value == MARKER && PRINTED.contains(&setting)
}

/// A command whose environment has no other settings than these.
fn command(arguments: &[&str], connection: &str, setting: &str, value: &str) -> Command {
    let mut command = executable();
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.env("COSMOS_DISABLE_IMDS", "1").env_remove("RUST_LOG");
    // The settings of an identity are read only without a connection string.
    if setting.starts_with("CosmosDB__") {
        command.env_remove("CosmosDB").env("CosmosDB__accountEndpoint", "http://127.0.0.1:1/");
    } else {
        command.env("CosmosDB", connection);
    }
    command.env(setting, value);
    command
}

/// The output of a command that is ended after three seconds.
fn output_within_seconds(mut command: Command) -> Output {
    let mut child = command.spawn().expect("changefeed");
    let start = Instant::now();
    while child.try_wait().expect("the state").is_none() && start.elapsed() < Duration::from_secs(3) {
        std::thread::sleep(Duration::from_millis(20));
    }
    let _ = child.kill();
    child.wait_with_output().expect("output")
}

fn assert_hidden(output: &Output, context: &str) {
    let printed = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(!printed.contains(MARKER), "{context}: {printed}");
}

async fn endpoint() -> Endpoint {
    Endpoint::start(Options::default()).await.expect("endpoint")
}

#[test]
fn every_setting_of_the_sample_is_tried() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../local.settings.json.sample");
    let sample: Value = serde_json::from_str(&std::fs::read_to_string(path).expect("the sample")).expect("JSON");
    let names = sample["Values"].as_object().expect("values").keys();
    let missing: Vec<&String> =
        names.filter(|name| name.starts_with("CHANGEFEED_") && !SETTINGS.contains(&name.as_str())).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[tokio::test]
async fn a_command_prints_no_secret_from_any_setting() {
    let endpoint = endpoint().await;
    let (account, connection) = (endpoint.url().to_owned(), endpoint.connection_string());
    let check = move || {
        for setting in SETTINGS {
            for value in values(&account) {
                if is_printed_on_purpose(setting, &value) {
                    continue;
                }
                let run = |arguments: &[&str]| output_within_seconds(command(arguments, &connection, setting, &value));
                let context = format!("{setting}={value}");
                assert_hidden(&run(&["status", "--output", "json"]), &context);
            }
        }
    };
    tokio::task::spawn_blocking(check).await.expect("checked");
}

#[tokio::test]
async fn servers_and_other_commands_print_no_secret_either() {
    let endpoint = endpoint().await;
    let (account, connection) = (endpoint.url().to_owned(), endpoint.connection_string());
    let check = move || {
        for (index, setting) in SETTINGS.into_iter().enumerate() {
            let values = values(&account);
            // Each command meets each value with some settings.
            for (number, arguments) in [
                &["serve", "--port", "0"][..],
                &["process"],
                &["backup", "list", "backups"],
                &["provision"],
                &["restore", "run", "--help"],
            ]
            .into_iter()
            .enumerate()
            {
                let value = &values[(index + number) % (values.len() - 1)];
                let output = output_within_seconds(command(arguments, &connection, setting, value));
                assert_hidden(&output, &format!("{arguments:?} with {setting}={value}"));
            }
        }
    };
    tokio::task::spawn_blocking(check).await.expect("checked");
}

#[tokio::test]
async fn the_status_of_a_running_app_has_no_secret() {
    let endpoint = endpoint().await;
    let key = format!("{MARKER}{}==", "A".repeat(86 - MARKER.len()));
    let connection = format!("AccountEndpoint={};AccountKey={key};", endpoint.url());
    let storage = format!("AccountName=shop;AccountKey={key}");
    let handler = Handler::start(&[("CosmosDB", &connection), ("CHANGEFEED_BACKUP_STORAGE", &storage)]);
    let (_, status) = handler.get("/api/status").await;
    assert!(status["settings"].is_object() && !status.to_string().contains(MARKER), "{status}");
    let to = format!("https://me:{MARKER}@shop.blob.core.windows.net/c?sig={MARKER}");
    let (code, answer) = handler.post("/api/backups", &serde_json::json!({"to": to})).await;
    assert!(code.is_client_error() && !answer.to_string().contains(MARKER), "{code} {answer}");
}

#[test]
fn a_settings_file_of_another_shape_is_reported_without_its_values() {
    let folder = tempfile::tempdir().expect("folder");
    let file = folder.path().join("local.settings.json");
    for text in [
        format!(r#"{{"Values": "{MARKER}"}}"#),
        format!(r#""{MARKER}""#),
        format!(r#"{{"Values": ["{MARKER}"]}}"#),
        format!(r#"{{"Values": {{"CosmosDB": {{"{MARKER}": 1}}}}}}"#),
        format!(r#"{{"Values": {{"CosmosDB": "{MARKER}"#),
    ] {
        std::fs::write(&file, &text).expect("file");
        let output =
            executable().args(["status", "--settings"]).arg(&file).stdin(Stdio::null()).output().expect("changefeed");
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert_hidden(&output, &text);
        assert!(String::from_utf8_lossy(&output.stderr).contains("at line 1 column"), "{text}");
    }
}
