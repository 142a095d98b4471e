//! Documents and fields that are never stored: what capture, dead letters and the settings make of them.

use std::time::Duration;

use changefeed_jobs::JobState;
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::support::capture_rules::{SECRET, assert_no_secret, omitting, rules, secret};
use crate::support::jobs::capture;
use crate::support::verify::{delete_record, finding_summaries, run_verification};
use crate::support::{CommandLine, Handler, Instance, World, batch_of, executable, until};

fn user(id: &str, number: usize) -> Value {
    json!({"id": id, "pk": "a", "n": number, "password": secret(number), "meta": {"token": {"of": secret(number)}, "x": 1}})
}

fn handler(world: &World, settings: &[(&str, &str)]) -> Handler {
    let connection = world.endpoint.connection_string();
    Handler::start(&[&[("CosmosDB", connection.as_str())], settings].concat())
}

const OMITTED: (&str, &str) = ("CHANGEFEED_OMITTED_FIELDS", "password, /meta/token");

#[tokio::test]
async fn a_version_lists_the_omitted_fields_that_the_document_had_and_has_none_of_them() {
    let world = World::new().await;
    let handler = handler(&world, &[OMITTED]);
    let stored = [world.put("a", user("1", 1)).await, world.put("a", json!({"id": "2", "pk": "a", "meta": {}})).await];
    let (status, answer) = handler.invoke(&batch_of(&stored), false).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    let versions = world.versions().await;
    let of = |id: &str| versions.values().find(|version| version["sourceId"] == id).expect("a version");
    assert_eq!(of("1")["omitted"], json!(["/meta/token", "/password"]));
    assert_eq!(of("1")["document"], json!({"id": "1", "pk": "a", "n": 1, "meta": {"x": 1}}));
    assert_eq!((&of("1")["exact"], of("2").get("omitted")), (&json!(true), None));

    // What the history answers lists them too, and shows no value of the live document either.
    let name = "id=1&partitionKey=%5B%22a%22%5D";
    let (_, page) = handler.get(&format!("/api/history/versions?{name}")).await;
    assert_eq!(page["items"][0]["omitted"], json!(["/meta/token", "/password"]));
    let id = page["items"][0]["id"].as_str().expect("an id").to_owned();
    for path in [
        format!("/api/history/document?{name}&asOf=2030-01-01"),
        format!("/api/history/diff?{name}&from={id}&to=live"),
        format!("/api/history/blame?{name}"),
    ] {
        let (status, answer) = handler.get(&path).await;
        assert_eq!(status, StatusCode::OK, "{path}: {answer}");
        assert!(!answer.to_string().contains(SECRET), "{path}: {answer}");
    }
    let (_, difference) = handler.get(&format!("/api/history/diff?{name}&from={id}&to=live")).await;
    assert_eq!(difference["changes"], json!([]));
    let command = CommandLine::new(&world).with(OMITTED.0, OMITTED.1);
    let (code, csv) = command.text(&["history", "versions", "--id", "1", "--pk", "a", "--output", "csv"]).await;
    assert!(code == 0 && csv.contains("\"[\"\"/meta/token\"\",\"\"/password\"\"]\"") && !csv.contains(SECRET), "{csv}");
    let (_, status) = handler.get("/api/status").await;
    assert_eq!(status["settings"]["CHANGEFEED_OMITTED_FIELDS"], json!(["/meta/token", "/password"]));
    assert!(!handler.logged().contains(SECRET));
    assert_no_secret(&world, &omitting(&world, "password,meta.token", |_| ())).await;
}

#[tokio::test]
async fn both_images_of_an_envelope_lose_the_fields() {
    let world = World::new().await;
    let changefeed = omitting(&world, "password,meta.token", |_| ());
    let (first, second) = (world.put("a", user("1", 1)).await, world.put("a", user("1", 2)).await);
    let metadata = |operation: &str, lsn: i64| json!({"operationType": operation, "lsn": lsn, "crts": second["_ts"]});
    let mut delete = metadata("delete", 3);
    (delete["id"], delete["partitionKey"], delete["previousImageLSN"]) = (json!("1"), json!({"pk": "a"}), json!(2));
    let changes = [
        json!({"current": first, "metadata": metadata("create", 1)}),
        json!({"current": second, "previous": first, "metadata": metadata("replace", 2)}),
        json!({"current": {}, "previous": second, "metadata": delete}),
    ];
    capture(&changefeed, &changes).await;
    let mut versions: Vec<Value> = world.versions().await.into_values().collect();
    versions.sort_by_key(|version| version["lsn"].as_i64());
    let operations: Vec<&Value> = versions.iter().map(|version| &version["operation"]).collect();
    assert_eq!(operations, ["create", "replace", "delete"]);
    for version in &versions {
        assert_eq!(version["omitted"], json!(["/meta/token", "/password"]), "{version}");
    }
    assert_eq!(versions[1]["previous"], json!({"id": "1", "pk": "a", "n": 1, "meta": {"x": 1}}));
    assert_no_secret(&world, &changefeed).await;
}

#[tokio::test]
async fn a_dead_letter_has_no_omitted_field_and_no_payload_that_cannot_be_read() {
    let world = World::new().await;
    let handler = handler(&world, &[OMITTED]);
    let deep = format!("{}1{}", "[".repeat(300), "]".repeat(300));
    let deep = format!(r#"{{"id":"deep","pk":"a","password":"{SECRET}","deep":{deep}}}"#);
    let without_etag = json!({"id": "1", "pk": "a", "password": secret(1), "n": 5, "_ts": 1});
    let plain = json!({"id": "2", "pk": "a", "_ts": 1});
    let (status, answer) = handler.invoke(&format!("[{deep},{without_etag},{plain}]"), false).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    let letters = world.dead_letters().await;
    assert_eq!(letters.len(), 3);
    let with = |reason: &str, part: &str| {
        let is_meant = |letter: &&Value| letter["reason"] == reason && letter.to_string().contains(part);
        letters.iter().find(is_meant).expect(part).clone()
    };
    let stripped = with("no-etag", "\\\"n\\\":5");
    assert_eq!(stripped["payload"], json!(r#"{"id":"1","pk":"a","n":5,"_ts":1}"#));
    assert_eq!((&stripped["omitted"], stripped.get("withoutPayload")), (&json!(["/password"]), None));
    let unread = with("not-json", "withoutPayload");
    assert_eq!((unread.get("payload"), &unread["withoutPayload"]), (None, &json!(true)));
    let untouched = with("no-etag", "\\\"2\\\"");
    assert_eq!((untouched["payload"].clone(), untouched.get("omitted")), (json!(plain.to_string()), None));
    // The same batch makes the same dead letters.
    handler.invoke(&format!("[{deep},{without_etag},{plain}]"), false).await;
    assert_eq!(world.dead_letters().await.len(), 3);

    let id = unread["id"].as_str().expect("an id");
    let (status, replay) = handler.post(&format!("/api/dead-letters/{id}/replay"), &json!({})).await;
    assert_eq!((status, &replay["outcome"]), (StatusCode::OK, &json!("stillDead")), "{replay}");
    assert!(replay["message"].as_str().is_some_and(|text| text.contains("its payload is not stored")), "{replay}");
    let (_, listed) = handler.get("/api/dead-letters").await;
    assert!(!listed.to_string().contains(SECRET), "{listed}");
    assert!(!handler.logged().contains(SECRET));
    assert_no_secret(&world, &omitting(&world, "password,meta.token", |_| ())).await;
}

#[tokio::test]
async fn an_excluded_document_has_no_version_and_no_dead_letter_and_is_counted() {
    let world = World::new().await;
    let filter = ("CHANGEFEED_CAPTURE_FILTER", "pk != cache and (id starts with user- or id exists)");
    let handler = handler(&world, &[filter]);
    let cached = world.put("cache", json!({"id": "1", "pk": "cache", "body": SECRET})).await;
    let captured = world.put("a", json!({"id": "1", "pk": "a"})).await;
    let unusable = json!({"id": "2", "pk": "cache", "body": SECRET});
    let delete = json!({"current": {}, "metadata": {"operationType": "delete", "lsn": 1, "crts": 1.0, "id": "3", "partitionKey": {"pk": "cache"}}});
    let (status, answer) = handler.invoke(&batch_of(&[cached, captured, unusable, delete]), false).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    assert!(
        answer["Logs"][0].as_str().is_some_and(|log| log.contains("0 dead letters") && log.contains("3 excluded")),
        "{answer}"
    );
    assert_eq!(world.only_version().await["pk"], "a");
    assert_eq!(world.dead_letters().await, Vec::<Value>::new());
    let (_, status) = handler.get("/api/status").await;
    assert_eq!(
        (&status["sinceStart"]["excluded"], &status["sinceStart"]["versions"]),
        (&json!(3), &json!(1)),
        "{status}"
    );
    assert_eq!(status["settings"]["CHANGEFEED_CAPTURE_FILTER"], filter.1);
    let (_, metrics) = handler.get("/api/metrics").await;
    assert!(metrics.as_str().is_some_and(|text| text.contains("changefeed_excluded_changes_total 3")), "{metrics}");

    let restore =
        |id: &str, request: Value| json!({"id": id, "partitionKey": ["cache"], "asOf": request, "dryRun": true});
    for id in ["1", "nothing"] {
        let (_, plan) = handler.post("/api/restores", &restore(id, json!(1))).await;
        assert_eq!(plan["items"][0]["action"], "unknown", "{plan}");
        let message = plan["items"][0]["message"].as_str().expect("a message").to_owned();
        assert!(message.contains("the capture filter excludes it"), "{message}");
    }
    let (_, all) = handler.post("/api/restores", &json!({"all": true, "asOf": 1, "dryRun": true})).await;
    assert!(!all.to_string().contains("cache"), "{all}");
    let library = world.changefeed(|options| options.capture_rules = rules("", Some(filter.1)));
    let (record, findings) = run_verification(&library, json!({"repair": true})).await;
    assert_eq!((record.state, finding_summaries(&findings)), (JobState::Done, Vec::new()));
    assert_eq!(world.versions().await.len(), 1);
    assert_no_secret(&world, &library).await;
}

#[tokio::test]
async fn a_document_that_was_captured_before_the_filter_is_only_overwritten_with_force_and_stays_no_finding() {
    let world = World::new().await;
    let before = world.changefeed(|_| ());
    let first = world.put("cache", json!({"id": "1", "pk": "cache", "n": 1})).await;
    capture(&before, std::slice::from_ref(&first)).await;
    world.put("cache", json!({"id": "1", "pk": "cache", "n": 2})).await;
    let handler = handler(&world, &[("CHANGEFEED_CAPTURE_FILTER", "pk != cache")]);
    let version = world.only_version().await["id"].clone();
    let request = |force: bool| json!({"id": "1", "partitionKey": ["cache"], "version": version, "force": force});
    let (_, report) = handler.post("/api/restores", &request(false)).await;
    assert_eq!(report["counts"]["conflict"], 1, "{report}");
    assert!(report["items"][0]["message"].as_str().is_some_and(|text| text.contains("only with force")), "{report}");
    assert_eq!(world.live("cache", "1").await.expect("live")["n"], 2);
    let (_, report) = handler.post("/api/restores", &request(true)).await;
    assert_eq!(report["counts"]["replace"], 1, "{report}");
    assert_eq!(world.live("cache", "1").await.expect("live")["n"], 1);
    let undo = format!("/api/restores/{}/undo", report["id"].as_str().expect("an id"));
    let (_, undone) = handler.post(&undo, &json!({})).await;
    assert_eq!(undone["items"][0]["action"], "unknown", "{undone}");
    assert_eq!(world.versions().await.len(), 1);
    world.container("events").await.delete_item("cache", "1", None).await.expect("delete");
    let library = world.changefeed(|options| options.capture_rules = rules("", Some("pk != cache")));
    let (_, findings) = run_verification(&library, json!({})).await;
    assert_eq!(finding_summaries(&findings), Vec::new());
}

#[tokio::test]
async fn a_repair_stores_the_live_document_without_the_fields() {
    let world = World::new().await;
    let changefeed = omitting(&world, "password,meta.token", |_| ());
    let stored = [world.put("a", user("1", 1)).await, world.put("a", user("2", 2)).await];
    capture(&changefeed, &stored).await;
    for version in world.versions().await.into_values().filter(|version| version["sourceId"] == "1") {
        delete_record(&world, &version).await;
    }
    let (record, findings) = run_verification(&changefeed, json!({"repair": true})).await;
    assert_eq!((record.state, findings.len()), (JobState::Done, 1), "{findings:?}");
    let repaired = world.versions().await.into_values().find(|version| version["sourceId"] == "1").expect("a version");
    assert_eq!(repaired["omitted"], json!(["/meta/token", "/password"]));
    let (_, findings) = run_verification(&changefeed, json!({})).await;
    assert_eq!(finding_summaries(&findings), Vec::new());
    assert_no_secret(&world, &changefeed).await;
}

#[tokio::test]
async fn rules_that_do_not_fit_are_refused_at_start() {
    let world = World::with_keys(&["/tenant/id"], &["/pk", "/sourceId"]).await;
    world.create("leases", &["/id"]).await;
    let connection = world.endpoint.connection_string();
    let refused = async |command: &str, name: &str, value: &str| {
        let mut serve = executable();
        serve.args([command]).env("CosmosDB", &connection).env(name, value).env("FUNCTIONS_CUSTOMHANDLER_PORT", "0");
        let output = tokio::task::spawn_blocking(move || serve.output().expect("changefeed")).await.expect("run");
        assert!(!output.status.success(), "{name}={value}");
        String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout)
    };
    for command in ["serve", "process"] {
        for (fields, expected) in [
            ("password,id", "field id cannot be omitted: the history needs the id"),
            ("_ts", "field _ts cannot be omitted"),
            ("ttl", "field ttl cannot be omitted"),
            ("restore_id", "field restore_id cannot be omitted: a restore sets it"),
            (
                "tenant",
                "field tenant cannot be omitted, because tenant.id is in it: it belongs to the partition key, /tenant/id",
            ),
            ("/lines/0", "omit the whole array"),
        ] {
            let printed = refused(command, "CHANGEFEED_OMITTED_FIELDS", fields).await;
            assert!(printed.contains(expected), "{command} {fields}: {printed}");
        }
        for (filter, expected) in [
            ("city=Cary", "tests city; it may test only id and the partition key, /tenant/id"),
            ("id[]=1", "tests id[]; it may test only id"),
            ("tenant.id", "invalid filter"),
        ] {
            let printed = refused(command, "CHANGEFEED_CAPTURE_FILTER", filter).await;
            assert!(printed.contains(expected), "{command} {filter}: {printed}");
        }
    }
    let doctor = CommandLine::new(&world).with("CHANGEFEED_OMITTED_FIELDS", "tenant.id");
    let (_, printed) = doctor.text(&["doctor"]).await;
    assert!(printed.contains("capture rules") && printed.contains("tenant.id cannot be omitted"), "{printed}");
    // A batch is not stored with such rules either.
    let changefeed = world.changefeed(|options| options.capture_rules = rules("tenant.id", None));
    assert!(changefeed.history.rules().await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn each_source_has_its_own_rules() {
    let world = World::new().await;
    let connection = world.endpoint.connection_string();
    let settings = [
        ("CosmosDB", connection.as_str()),
        ("CHANGEFEED_SOURCES", "orders,users"),
        ("CHANGEFEED_OMITTED_FIELDS", "password"),
        ("CHANGEFEED_orders__omittedFields", "card"),
        ("CHANGEFEED_users__captureFilter", "id starts with user-"),
    ];
    let provision = executable().arg("provision").envs(settings).output().expect("provision");
    assert!(provision.status.success(), "{provision:?}");
    let instance = Instance::start_with(&connection, &["--from", "beginning"], &settings).expect("process");
    let document = |id: &str| json!({"id": id, "pk": "a", "password": "p", "card": "c"});
    for container in ["orders", "users"] {
        for id in ["user-1", "other"] {
            let container = world.container(container).await;
            container.upsert_item("a", id, document(id), None).await.expect("upsert");
        }
    }
    let versions = async |container: &str| {
        let mut found = world.query(container, "SELECT * FROM c").await;
        found.sort_by_key(|version| version["sourceId"].to_string());
        found
    };
    until("the versions are captured", Duration::from_secs(90), async || {
        versions("orders-changes").await.len() == 2 && versions("users-changes").await.len() == 1
    })
    .await;
    let orders = versions("orders-changes").await;
    for version in &orders {
        assert_eq!(
            (&version["omitted"], &version["document"]["password"]),
            (&json!(["/card"]), &json!("p")),
            "{version}"
        );
        assert_eq!(version["document"].get("card"), None);
    }
    let [user] = &versions("users-changes").await[..] else { panic!("one version") };
    assert_eq!((&user["sourceId"], &user["omitted"]), (&json!("user-1"), &json!(["/password"])));
    assert_eq!((&user["document"]["card"], user["document"].get("password")), (&json!("c"), None));
    drop(instance);
}
