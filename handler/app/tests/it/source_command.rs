//! `changefeed source`: the folders of triggers, and the lines of settings.

use std::path::Path;
use std::process::Output;

use serde_json::{Value, json};

use crate::support::executable;

/// The folder of an app.
fn app() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("host.json"), "{}").expect("host.json");
    folder
}

fn run(app: &Path, sources: Option<&str>, arguments: &[&str]) -> Output {
    let mut command = executable();
    command.arg("source").args(arguments).arg("--script-root").arg(app).env_remove("CHANGEFEED_SOURCES");
    if let Some(sources) = sources {
        command.env("CHANGEFEED_SOURCES", sources);
    }
    command.output().expect("changefeed source")
}

fn text(output: &Output) -> String {
    [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned()).concat()
}

fn binding(app: &Path, function: &str) -> Value {
    let text = std::fs::read_to_string(app.join(function).join("function.json")).expect("function.json");
    let definition: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(definition["retry"]["maxRetryCount"], -1);
    definition["bindings"][0].clone()
}

#[test]
fn a_source_gets_a_trigger_for_each_mode_and_the_lines_of_its_settings() {
    let app = app();
    let output = run(app.path(), None, &["add", "orders"]);
    let printed = text(&output);
    assert!(output.status.success(), "{printed}");
    // What was captured without a name stays.
    for line in [
        "CHANGEFEED_SOURCES=default,orders\n",
        "AzureWebJobs.CosmosChangeFeedAllVersions_orders.Disabled=true\n",
        "changefeed provision",
    ] {
        assert!(printed.contains(line), "{line}: {printed}");
    }
    let latest = binding(app.path(), "CosmosChangeFeed_orders");
    assert_eq!((&latest["containerName"], &latest["leaseContainerPrefix"]), (&json!("orders"), &json!("orders")));
    assert_eq!(latest["startFromBeginning"], true);
    let all = binding(app.path(), "CosmosChangeFeedAllVersions_orders");
    assert_eq!(
        (&all["changeFeedMode"], &all["leaseContainerPrefix"]),
        (&json!("AllVersionsAndDeletes"), &json!("all-versions-orders"))
    );

    let more = ["add", "sales", "--monitored", "Orders2024", "--lease-prefix", "x", "--mode", "AllVersionsAndDeletes"];
    let printed = text(&run(app.path(), Some("default,orders"), &more));
    for line in [
        "CHANGEFEED_SOURCES=default,orders,sales\n",
        "CHANGEFEED_sales__monitored=Orders2024\n",
        "CHANGEFEED_sales__leasePrefix=x\n",
        "CHANGEFEED_sales__mode=AllVersionsAndDeletes\n",
        "AzureWebJobs.CosmosChangeFeed_sales.Disabled=true\n",
    ] {
        assert!(printed.contains(line), "{line}: {printed}");
    }
    assert_eq!(binding(app.path(), "CosmosChangeFeed_sales")["containerName"], "Orders2024");
}

#[test]
fn a_source_is_refused_whose_name_or_containers_cannot_be() {
    let app = app();
    for (arguments, expected) in [
        (&["add", "Orders"][..], "lowercase letters and digits"),
        (
            &["add", "orders", "--monitored", "events"],
            "container events would be of source default and of source orders",
        ),
        (
            &["add", "orders", "--changes", "changes"],
            "container changes would be of source default and of source orders",
        ),
        (&["add", "orders", "--monitored", "a/b"], "CHANGEFEED_orders__monitored has an invalid value"),
        (&["remove", "orders"], "unknown source orders; the sources are default"),
        (&["remove", "default"], "default is the only source"),
    ] {
        let output = run(app.path(), None, arguments);
        assert!(!output.status.success() && text(&output).contains(expected), "{arguments:?}: {}", text(&output));
    }
    let empty = tempfile::tempdir().expect("a folder");
    let output = run(empty.path(), None, &["add", "orders"]);
    assert!(text(&output).contains("has no host.json"), "{}", text(&output));
    assert_eq!(std::fs::read_dir(app.path()).expect("folder").count(), 1, "nothing was written");
}

#[test]
fn a_list_shows_a_trigger_that_does_not_match_the_settings_and_a_removed_source_has_none() {
    let app = app();
    assert!(run(app.path(), None, &["add", "orders"]).status.success());
    let list = || run(app.path(), Some("default,orders"), &["list", "--output", "json"]);
    let sources: Value = serde_json::from_slice(&list().stdout).expect("JSON");
    assert_eq!(
        sources["items"][1],
        json!({"name": "orders", "monitored": "orders", "changes": "orders-changes", "mode": "LatestVersion",
            "leasePrefix": "orders", "function": "CosmosChangeFeed_orders"})
    );
    assert_eq!(list().status.code(), Some(0));
    let file = app.path().join("CosmosChangeFeed_orders/function.json");
    let text_of_file = std::fs::read_to_string(&file).expect("text").replace("\"orders\"", "\"customers\"");
    std::fs::write(&file, text_of_file.replace("1000", "250")).expect("written");
    let output = list();
    assert_eq!(output.status.code(), Some(3));
    assert!(text(&output).contains("containerName of CosmosChangeFeed_orders/function.json is"), "{}", text(&output));
    // Adding it again repairs it, and leaves the rest.
    assert!(run(app.path(), Some("default,orders"), &["add", "orders"]).status.success());
    assert_eq!(list().status.code(), Some(0));
    assert_eq!(binding(app.path(), "CosmosChangeFeed_orders")["feedPollDelay"], 250);

    let printed = text(&run(app.path(), Some("default,orders"), &["remove", "orders"]));
    assert!(printed.contains("CHANGEFEED_SOURCES=default\n") && printed.contains("are left"), "{printed}");
    assert_eq!(std::fs::read_dir(app.path()).expect("folder").count(), 1);
    let printed = text(&run(app.path(), Some("default,orders"), &["remove", "default"]));
    assert!(printed.contains("CHANGEFEED_SOURCES=orders\n"), "{printed}");
    assert!(printed.contains("AzureWebJobs.CosmosChangeFeed.Disabled=true\n"), "{printed}");
}

#[test]
fn a_source_whose_setting_was_not_set_yet_is_listed_as_a_problem_and_can_be_removed() {
    let app = app();
    assert!(run(app.path(), None, &["add", "orders"]).status.success());
    let listed = run(app.path(), None, &["list", "--output", "json"]);
    assert_eq!(listed.status.code(), Some(3), "{}", text(&listed));
    let list: Value = serde_json::from_slice(&listed.stdout).expect("JSON");
    assert_eq!((&list["items"][0]["name"], &list["items"][0]["problem"]), (&json!("default"), &Value::Null));
    assert_eq!(list["items"][1]["name"], "orders");
    assert_eq!(list["items"][1]["problem"], "CHANGEFEED_SOURCES does not name it");
    let second = run(app.path(), None, &["add", "sales"]);
    assert!(text(&second).contains("CHANGEFEED_SOURCES=default,orders,sales\n"), "{}", text(&second));
    let removed = run(app.path(), None, &["remove", "orders"]);
    assert!(removed.status.success(), "{}", text(&removed));
    assert!(text(&removed).contains("CHANGEFEED_SOURCES=default,sales\n"), "{}", text(&removed));
    assert!(!app.path().join("CosmosChangeFeed_orders").exists());
    let again = run(app.path(), None, &["remove", "orders"]);
    assert!(text(&again).contains("unknown source orders; the sources are default,sales"), "{}", text(&again));
}
