use std::time::Duration;

use changefeed_processor::StartFrom;
use serde_json::{Value, json};

use super::{AuthLevel, CosmosTrigger, Function, HttpTrigger, Trigger};
use crate::app::Settings;

fn read(name: &str, function: &Value) -> Result<Option<Function>, String> {
    let root = tempfile::tempdir().expect("a folder");
    let folder = root.path().join(name);
    std::fs::create_dir(&folder).expect("a folder");
    let file = folder.join("function.json");
    std::fs::write(&file, function.to_string()).expect("a file");
    let pairs = [
        ("CosmosDB", "one"),
        ("Other", "two"),
        ("Database", "dev"),
        ("Max", "7"),
        ("Start", "2021-02-16T14:19:29Z"),
        ("Mode", "0"),
    ];
    let settings = Settings::new(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
    Function::read(&folder, &file, &settings)
        .map_err(|error| error.to_string().replace(&format!("{}", file.display()), "function.json"))
}

fn cosmos(more: Value) -> Result<CosmosTrigger, String> {
    let mut binding = json!({"type": "cosmosDBTrigger", "direction": "in", "name": "documents",
        "databaseName": "%Database%", "containerName": "events"});
    if let (Some(binding), Value::Object(more)) = (binding.as_object_mut(), more) {
        binding.extend(more);
    }
    match read("OnChange", &json!({"bindings": [binding]}))?.expect("a function").trigger {
        Trigger::Cosmos(trigger) => Ok(*trigger),
        other => panic!("not {other:?}"),
    }
}

fn http(more: Value) -> Result<HttpTrigger, String> {
    let mut binding = json!({"type": "httpTrigger", "direction": "in", "name": "req"});
    if let (Some(binding), Value::Object(more)) = (binding.as_object_mut(), more) {
        binding.extend(more);
    }
    let output = json!({"type": "http", "direction": "out", "name": "$return"});
    match read("Query", &json!({"bindings": [binding, output]}))?.expect("a function").trigger {
        Trigger::Http(trigger) => Ok(trigger),
        other => panic!("not {other:?}"),
    }
}

#[test]
fn a_cosmos_trigger_has_the_defaults_of_the_extension() {
    let trigger = cosmos(json!({})).expect("a trigger");
    assert_eq!((trigger.name.as_str(), trigger.connection.as_str()), ("documents", "CosmosDB"));
    assert_eq!((trigger.connection_string.expose(), trigger.lease_connection_string.expose()), ("one", "one"));
    assert_eq!((trigger.database.as_str(), trigger.container.as_str()), ("dev", "events"));
    assert_eq!((trigger.lease_database.as_str(), trigger.lease_container.as_str()), ("dev", "leases"));
    assert_eq!((trigger.lease_prefix.as_str(), trigger.create_lease_container), ("", false));
    assert_eq!((trigger.poll_delay, trigger.max_items, trigger.start_from), (None, None, StartFrom::Now));
}

#[test]
fn every_property_of_a_cosmos_trigger_is_read_ignoring_case() {
    let trigger = cosmos(json!({
        "leaseConnection": "Other", "LeaseDatabaseName": "state", "leasecontainername": "l", "leaseContainerPrefix": "p-",
        "feedPollDelay": 100, "leaseAcquireInterval": "1000", "leaseExpirationInterval": 0, "leaseRenewInterval": 300,
        "maxItemsPerInvocation": "%Max%", "startFromBeginning": true, "createLeaseContainerIfNotExists": "true",
        "changeFeedMode": "LatestVersion", "preferredLocations": "West Europe",
    }))
    .expect("a trigger");
    assert_eq!((trigger.connection_string.expose(), trigger.lease_connection_string.expose()), ("one", "two"));
    assert_eq!((trigger.lease_database.as_str(), trigger.lease_container.as_str()), ("state", "l"));
    assert_eq!((trigger.lease_prefix.as_str(), trigger.create_lease_container), ("p-", true));
    assert_eq!(trigger.poll_delay, Some(Duration::from_millis(100)));
    assert_eq!(trigger.lease_acquire_interval, Some(Duration::from_secs(1)));
    assert_eq!(trigger.lease_expiration_interval, None);
    assert_eq!(trigger.lease_renew_interval, Some(Duration::from_millis(300)));
    assert_eq!(trigger.max_items.map(u32::from), Some(7));
    assert_eq!(trigger.start_from, StartFrom::Beginning);
}

#[test]
fn a_start_time_without_a_zone_is_utc_and_excludes_start_from_beginning() {
    for text in ["2021-02-16 14:19:29Z", "2021-02-16 15:19:29+01:00", "2021-02-16 14:19:29", "%Start%"] {
        let start = cosmos(json!({"startFromTime": text})).expect("a trigger").start_from;
        assert_eq!(start, StartFrom::Time("2021-02-16T14:19:29Z".parse().expect("a time")), "{text}");
    }
    let error = cosmos(json!({"startFromTime": "yesterday"})).expect_err("no time");
    assert_eq!(
        error,
        "function.json: bindings[0].startFromTime is \"yesterday\"; allowed: a time such as 2021-02-16 14:19:29Z"
    );
    let error = cosmos(json!({"startFromTime": "2021-02-16T14:19:29Z"})).expect_err("a T");
    assert!(error.contains("allowed: a time with a space"), "{error}");
    let both = json!({"startFromTime": "2021-02-16T14:19:29Z", "startFromBeginning": true});
    assert!(cosmos(both).expect_err("both").contains("startFromBeginning is true"));
}

#[test]
fn an_invalid_cosmos_trigger_is_rejected() {
    for (more, expected) in [
        (json!({"containerName": ""}), "bindings[0].containerName is \"\"; allowed: a non-empty string"),
        (json!({"databaseName": null}), "bindings[0].databaseName is missing; allowed: a non-empty string"),
        (json!({"databaseName": "%Nowhere%"}), "is \"%Nowhere%\"; allowed: the name of an app setting that exists"),
        (json!({"feedPollDelay": "often"}), "bindings[0].feedPollDelay is \"often\"; allowed: an integer"),
        (json!({"startFromBeginning": 3}), "bindings[0].startFromBeginning is 3; allowed: true or false"),
        (json!({"changeFeedMode": "Everything"}), "bindings[0].changeFeedMode is \"Everything\"; allowed: "),
        (json!({"changeFeedMode": "%Mode%"}), "bindings[0].changeFeedMode is \"%Mode%\"; allowed: LatestVersion, "),
        (json!({"cardinality": "many"}), "bindings[0].cardinality is \"many\"; allowed: nothing"),
        (json!({"dataType": "binary"}), "bindings[0].dataType is \"binary\"; allowed: nothing"),
        (json!({"connection": "Nowhere"}), "function OnChange: connection Nowhere: there is no app setting"),
    ] {
        let error = cosmos(more).expect_err(expected);
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn an_http_trigger_defaults_to_the_folder_name_every_method_and_a_required_key() {
    let trigger = http(json!({})).expect("a trigger");
    assert_eq!((trigger.route.as_str(), trigger.methods, trigger.auth_level), ("Query", None, AuthLevel::Function));
    let trigger = http(json!({"route": "query/{*rest}", "methods": ["get", "POST"], "authLevel": "Anonymous"}))
        .expect("a trigger");
    assert_eq!(trigger.route, "query/{*rest}");
    assert_eq!(trigger.methods, Some(vec!["GET".to_owned(), "POST".to_owned()]));
    assert_eq!(trigger.auth_level, AuthLevel::Anonymous);
    let error = http(json!({"authLevel": "everyone"})).expect_err("no level");
    assert!(error.contains("authLevel is \"everyone\"; allowed: anonymous, function, admin"), "{error}");
}

#[test]
fn a_timer_trigger_has_a_schedule() {
    let timer = |schedule: Value| {
        let binding = json!({"type": "timerTrigger", "name": "timer", "schedule": schedule, "runOnStartup": "true"});
        read("Timer", &json!({"bindings": [binding]}))
    };
    match timer(json!("0 * * * * *")).expect("readable").expect("a function").trigger {
        Trigger::Timer(trigger) => assert!(trigger.name == "timer" && trigger.run_on_startup),
        other => panic!("not {other:?}"),
    }
    let error = timer(json!("hourly")).expect_err("no schedule");
    assert!(error.contains("bindings[0].schedule is \"hourly\"; allowed: six NCRONTAB fields"), "{error}");
}

#[test]
fn unsupported_functions_are_skipped() {
    let queue = json!({"bindings": [{"type": "queueTrigger", "name": "item", "queueName": "items"}]});
    assert!(read("Dequeue", &queue).expect("readable").is_none());
    let envelope = json!({"bindings": [{"type": "httpTrigger", "name": "req"}, {"type": "queue", "direction": "out"}]});
    assert!(read("Enqueue", &envelope).expect("readable").is_none());
}

#[test]
fn a_function_needs_a_trigger_and_a_valid_name() {
    let error = read("Nothing", &json!({"bindings": []})).expect_err("no trigger");
    assert_eq!(error, "function.json: bindings is []; allowed: an array with a trigger");
    let error = read("1st", &json!({"bindings": []})).expect_err("no name");
    assert!(error.contains("the folder's name"), "{error}");
}

#[test]
fn the_retry_policy_of_the_function_is_read() {
    let retry = json!({"strategy": "exponentialBackoff", "maxRetryCount": -1, "minimumInterval": "00:00:01",
        "maximumInterval": "00:05:00"});
    let binding = json!({"type": "cosmosDBTrigger", "name": "d", "databaseName": "a", "containerName": "b"});
    let function = read("OnChange", &json!({"bindings": [binding], "retry": retry})).expect("readable");
    assert_eq!(function.and_then(|function| function.retry).map(|retry| retry.max_retry_count), Some(None));
}
