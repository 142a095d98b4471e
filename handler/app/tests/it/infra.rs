//! The templates of `infra/` agree with the program: the definitions of the containers, the settings, the texts and metrics that alerts
//! and dashboards look for.
//!
//! `UPDATE_DOCS=1 cargo test -p changefeed --test it infra` rewrites what is generated.

use std::collections::BTreeSet;

use changefeed_history::{Role, container_spec};
use reqwest::Method;
use serde_json::{Map, Value, json};

use crate::docs_reference::{read, root};
use crate::support::{DEADLINE, Instance, World, batch_of, names, until};

const CONTAINERS: &str = "infra/containers.json";

/// The definitions of the containers as `provision` creates them, in the form of the resource provider.
fn containers() -> Value {
    let names = names();
    let roles = [
        ("changes", Role::Changes),
        ("leases", Role::Leases),
        ("jobs", Role::Jobs),
        ("deadLetters", Role::DeadLetters),
    ];
    let definition = |role| {
        let spec = container_spec(role, &names, &[], &[]);
        let paths: Vec<String> = spec.key_paths.iter().map(ToString::to_string).collect();
        let kind = if paths.len() > 1 { "MultiHash" } else { "Hash" };
        let mut definition = json!({"partitionKey": {"paths": paths, "kind": kind, "version": 2}, "defaultTtl": -1});
        if let Some(policy) = spec.index.to_json() {
            definition["indexingPolicy"] = policy;
        }
        definition
    };
    Value::Object(roles.into_iter().map(|(key, role)| (key.to_owned(), definition(role))).collect::<Map<_, _>>())
}

#[test]
fn the_template_creates_the_containers_that_provision_creates() {
    let expected = format!("{:#}\n", containers());
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(root().join(CONTAINERS), &expected).expect("file");
    }
    assert_eq!(read(CONTAINERS), expected, "to rewrite it: UPDATE_DOCS=1 cargo test -p changefeed --test it infra");
}

/// The words of a text that begin like this.
fn words(text: &str, beginning: &str) -> BTreeSet<String> {
    let separator = |character: char| !(character.is_ascii_alphanumeric() || character == '_');
    text.split(separator).filter(|word| word.starts_with(beginning)).map(str::to_owned).collect()
}

/// The text of every file below a folder.
fn texts(folder: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("folder") {
            let path = entry.expect("entry").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let text = std::fs::read_to_string(&path).expect("text");
                found.push((path.display().to_string(), text));
            }
        }
    }
    found
}

#[test]
fn the_files_of_a_deployment_use_settings_of_the_program() {
    let sample = read("local.settings.json.sample");
    let known = words(&sample, "CHANGEFEED_");
    // What azd passes to the template and receives from it.
    let of_the_deployment = [
        "CHANGEFEED_HOSTING",
        "CHANGEFEED_COSMOS_ACCOUNT",
        "CHANGEFEED_COSMOS_RESOURCE_GROUP",
        "CHANGEFEED_ALERT_EMAIL",
        // The settings of a source, whose name follows.
        "CHANGEFEED_",
    ];
    let mut used = 0;
    for (path, text) in texts("infra") {
        for name in words(&text, "CHANGEFEED_") {
            used += 1;
            assert!(
                known.contains(&name) || of_the_deployment.contains(&name.as_str()),
                "{path}: {name} is not a setting"
            );
        }
    }
    assert!(used > 10);
}

#[test]
fn a_deployment_enables_the_trigger_of_its_mode_alone() {
    let template = read("infra/main.bicep");
    let disabled = |function: &str, condition: &str| {
        let of_source = "${source == 'default' ? '' : '_${source}'}";
        let line =
            format!("  'AzureWebJobs.{function}{of_source}.Disabled': string(mode {condition} 'LatestVersion')\n");
        assert!(template.contains(&line), "{line}");
        // Those of the default source are in every package, even if it is not captured.
        assert!(template.contains(&format!("  'AzureWebJobs.{function}.Disabled': 'true'\n")));
        assert!(root().join(function).join("function.json").is_file());
    };
    disabled("CosmosChangeFeed", "!=");
    disabled("CosmosChangeFeedAllVersions", "==");
}

/// The names of the metrics in a text of Prometheus.
fn metric_names(text: &str) -> BTreeSet<String> {
    let samples = text.lines().filter(|line| !line.starts_with('#'));
    samples.filter_map(|line| line.split(['{', ' ']).next()).map(str::to_owned).collect()
}

#[tokio::test]
async fn the_alert_rules_and_the_dashboard_use_metrics_that_process_and_the_function_app_export() {
    let mut used = BTreeSet::new();
    for (_, text) in texts("infra/monitoring") {
        used.extend(words(&text, "changefeed_"));
    }
    assert!(used.len() > 8, "{used:?}");
    let world = World::new().await;
    world.create("leases", &["/id"]).await;
    let folder = tempfile::tempdir().expect("folder");
    let policy = serde_json::from_value(json!({"to": folder.path(), "every": "1d"})).expect("a policy");
    world.changefeed(|_| {}).backup_policy.set(policy, &changefeed_history::TimeZone::UTC).await.expect("set");
    let instance = Instance::start(&world.endpoint.connection_string(), &["--health-port", "0"]).expect("an instance");
    let exported = async || metric_names(&instance.health("/metrics").await.1);
    until("the metrics of the leases", DEADLINE, async || {
        let names = exported().await;
        ["changefeed_lease_lag", "changefeed_backup_overdue"]
            .iter()
            .all(|start| names.iter().any(|name| name.starts_with(start)))
    })
    .await;
    let exported = exported().await;
    let unknown: Vec<&String> = used.difference(&exported).collect();
    assert!(unknown.is_empty(), "not exported: {unknown:?}; exported: {exported:?}");

    // Under the trigger, only the processor's own counters are missing.
    let handler = world.handler();
    handler.invoke(&batch_of(&[json!({"id": "1", "pk": "a", "_ts": 1, "_lsn": 1, "_etag": "e"})]), true).await;
    let answer = handler.respond(Method::GET, "/api/metrics", "").await;
    let content_type = answer.headers()["content-type"].to_str().expect("text").to_owned();
    assert!(content_type.starts_with("application/openmetrics-text"), "{content_type}");
    let text = answer.text().await.expect("text");
    assert!(text.contains("\nchangefeed_versions_stored_total 1\n") && text.ends_with("# EOF\n"), "{text}");
    let of_processor = ["changefeed_leases_held", "changefeed_lease_errors_total"].map(str::to_owned).into();
    let missing: BTreeSet<String> = exported.difference(&metric_names(&text)).cloned().collect();
    assert!(missing.is_subset(&of_processor), "{missing:?}");
}

/// The source of the program, without line breaks.
fn source() -> String {
    let folders = ["app", "history", "operations", "jobs", "processor"];
    folders.iter().flat_map(|folder| texts(&format!("handler/{folder}/src"))).map(|(_, text)| text).collect()
}

#[test]
fn the_alerts_look_for_texts_that_the_program_logs() {
    let alerts = read("infra/modules/alerts.bicep");
    let source = source();
    let texts: Vec<&str> = alerts.split("message has \"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    assert!(texts.len() >= 3, "{texts:?}");
    for text in texts {
        assert!(source.contains(text), "infra/modules/alerts.bicep: no message has the text {text:?}");
    }
    // The form of the lines that the look at the leases logs, and the expression that finds them.
    assert!(source.contains("lease {token} of {feed}: {state}, lag {lag}: "));
    assert!(alerts.contains("lease .* of (capture|jobs): .*, lag "));
    assert!(root().join("WatchLeases/function.json").is_file() && alerts.contains("name == \"WatchLeases\""));
}
