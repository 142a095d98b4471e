//! Restores of several sources: a release broke orders and customers together. One plan, one record, one undo.

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::sources::{items, provision, put};
use crate::support::{CommandLine, DEADLINE, Handler, Instance, World, until};

const SOURCES: &str = "customers,orders";
const DOCUMENTS: usize = 3;

/// Two sources whose documents were good, and are bad since a second that is returned; and a third one, which is not broken.
struct Broken {
    world: World,
    handler: Handler,
    command: CommandLine,
    from: String,
    /// Captures, and runs the jobs.
    _instance: Instance,
}

impl Broken {
    async fn new() -> Self {
        let world = World::new().await;
        let all: &'static str = "customers,orders,default";
        provision(&world, all).await;
        let connection = world.endpoint.connection_string();
        let settings = [("CosmosDB", connection.as_str()), ("CHANGEFEED_SOURCES", all)];
        let instance = Instance::start_with(&connection, &[], &settings).expect("process");
        let write = async |state: &str, versions: usize| {
            for source in SOURCES.split(',') {
                for number in 0..DOCUMENTS {
                    let id = format!("{source}-{number}");
                    put(&world.client, source, json!({"id": id, "pk": "a", "state": state})).await;
                }
            }
            for source in SOURCES.split(',') {
                until("capture", DEADLINE, async || {
                    items(&world.client, &format!("{source}-changes")).await.len() == versions
                })
                .await;
            }
        };
        write("good", DOCUMENTS).await;
        let mut last = 0;
        for source in SOURCES.split(',') {
            let documents = items(&world.client, source).await;
            last = documents.iter().filter_map(|document| document["_ts"].as_i64()).fold(last, i64::max);
        }
        until("the next second", DEADLINE, async || chrono::Utc::now().timestamp() > last).await;
        write("bad", 2 * DOCUMENTS).await;
        let handler = Handler::start(&settings);
        let command = CommandLine::new(&world).with("CHANGEFEED_SOURCES", all);
        Self { world, handler, command, from: (last + 1).to_string(), _instance: instance }
    }

    /// The request over HTTP.
    fn request(&self) -> Value {
        let until = chrono::Utc::now().timestamp();
        json!({"changedBetween": {"from": self.from, "to": until}, "dryRun": true, "store": true, "reason": "a wrong release"})
    }

    /// The states of the documents of each source.
    async fn states(&self) -> [Vec<String>; 2] {
        let mut states = [Vec::new(), Vec::new()];
        for (source, states) in SOURCES.split(',').zip(&mut states) {
            let documents = items(&self.world.client, source).await;
            states.extend(documents.iter().map(|document| document["state"].as_str().expect("text").to_owned()));
            states.dedup();
        }
        states
    }

    /// Plans over HTTP.
    async fn planned(&self) -> Value {
        let (status, restore) = self.handler.post(&format!("/api/restores?source={SOURCES}"), &self.request()).await;
        assert_eq!(status, StatusCode::ACCEPTED, "{restore}");
        self.finished(&restore).await
    }

    /// A restore after it has ended.
    async fn finished(&self, restore: &Value) -> Value {
        let path = format!("/api/restores/{}?source={SOURCES}", restore["id"].as_str().expect("id"));
        until("the end", DEADLINE, async || {
            let (_, restore) = self.handler.get(&path).await;
            !matches!(restore["state"].as_str(), Some("queued" | "running"))
        })
        .await;
        self.handler.get(&path).await.1
    }

    async fn post(&self, restore: &Value, verb: &str, body: Value) -> (StatusCode, Value) {
        let id = restore["id"].as_str().expect("id");
        self.handler.post(&format!("/api/restores/{id}/{verb}?source={SOURCES}"), &body).await
    }

    /// The restore of a source.
    async fn member(&self, restore: &Value, at: usize) -> Value {
        let source = SOURCES.split(',').nth(at).expect("a source");
        let id = restore["members"][at]["restore"]["id"].as_str().expect("id");
        self.handler.get(&format!("/api/restores/{id}?source={source}")).await.1
    }
}

fn states(one: &str) -> [Vec<String>; 2] {
    [vec![one.to_owned()], vec![one.to_owned()]]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_window_of_two_sources_is_planned_executed_and_undone_as_one() {
    let broken = Broken::new().await;
    let planned = broken.planned().await;
    assert_eq!((&planned["state"], &planned["counts"]["replace"]), (&json!("planned"), &json!(2 * DOCUMENTS)));
    let members = planned["members"].as_array().expect("members");
    assert_eq!(members.iter().map(|member| &member["source"]).collect::<Vec<_>>(), ["customers", "orders"]);
    assert_eq!(broken.states().await, states("bad"), "a plan writes nothing");

    let body = json!({"requestedBy": "ann"});
    let (status, restore) = broken.post(&planned, "execute", body.clone()).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{restore}");
    let done = broken.finished(&restore).await;
    assert_eq!((&done["state"], &done["counts"]["replace"]), (&json!("done"), &json!(2 * DOCUMENTS)), "{done}");
    assert!(done["requestCharge"].as_f64() > Some(10.0) && done["reason"] == "a wrong release", "{done}");
    assert_eq!(broken.states().await, states("good"));
    let (status, again) = broken.post(&planned, "execute", body).await;
    assert_eq!((status, &again["state"]), (StatusCode::OK, &json!("done")), "once: {again}");

    for (at, source) in ["customers", "orders"].into_iter().enumerate() {
        let member = broken.member(&done, at).await;
        assert_eq!((&member["joint"], &member["requestedBy"]), (&done["id"], &json!("ann")), "{member}");
        let (_, listed) = broken.handler.get(&format!("/api/restores?source={source}")).await;
        assert_eq!(listed["items"].as_array().map(Vec::len), Some(1), "that of the source alone: {listed}");
    }
    let stored = items(&broken.world.client, "jobs").await;
    let stored = stored.iter().find(|item| item["id"] == done["id"]).and_then(Value::as_object).expect("the record");
    let names: Vec<&str> = stored.keys().map(String::as_str).filter(|name| !name.starts_with('_')).collect();
    assert_eq!(names, ["id", "kind", "source", "members", "reason", "startedAt", "schema"], "as format.md says");
    let (_, listed) = broken.handler.get("/api/restores?source=default").await;
    assert_eq!(listed["items"], json!([]), "a record of several sources is of none of them");

    let (_, plan) = broken.post(&done, "undo", json!({"dryRun": true})).await;
    let plan = broken.finished(&plan).await;
    assert_eq!((&plan["state"], &plan["counts"]["replace"]), (&json!("planned"), &json!(2 * DOCUMENTS)), "{plan}");
    let (status, undo) = broken.post(&done, "undo", json!({})).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{undo}");
    let undone = broken.finished(&undo).await;
    assert_eq!((&undone["state"], &undone["undoOf"]), (&json!("done"), &done["id"]), "{undone}");
    assert_eq!(broken.states().await, states("bad"));
    let (_, again) = broken.post(&done, "undo", json!({})).await;
    assert_eq!(again["id"], undone["id"], "a restore is undone once");
    let (_, again) = broken.post(&plan, "execute", json!({})).await;
    assert_eq!(again["id"], undone["id"], "also by a plan");
    let (_, listed) = broken.handler.get(&format!("/api/restores?source={SOURCES}")).await;
    let ids: Vec<&Value> = listed["items"].as_array().expect("items").iter().map(|item| &item["id"]).collect();
    assert!(ids.len() == 3 && ids.contains(&&done["id"]) && ids.contains(&&undone["id"]), "{listed}");
    let (status, refused) = broken.post(&planned, "execute", json!({})).await;
    let message = refused["error"]["message"].as_str().unwrap_or_default();
    assert!(status == StatusCode::BAD_REQUEST && message.contains("it was undone by restore"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_execution_that_was_interrupted_is_continued_or_undone() {
    for continued in [true, false] {
        let broken = Broken::new().await;
        let planned = broken.planned().await;
        // What is left when a process ends between the two.
        let first = planned["members"][0]["restore"]["id"].as_str().expect("id");
        let (status, answer) =
            broken.handler.post(&format!("/api/restores/{first}/execute?source=customers"), &json!({})).await;
        assert_eq!(status, StatusCode::ACCEPTED, "{answer}");
        until("the first is restored", DEADLINE, async || broken.states().await[0] == ["good"]).await;
        assert_eq!(broken.states().await[1], ["bad"]);
        until("the first has ended", DEADLINE, async || broken.member(&planned, 0).await["state"] == "done").await;
        let path = format!("/api/restores/{}?source={SOURCES}", planned["id"].as_str().expect("id"));
        assert_eq!(broken.handler.get(&path).await.1["state"], "running", "it is not done");
        if continued {
            let (_, restore) = broken.post(&planned, "execute", json!({})).await;
            assert_eq!(broken.finished(&restore).await["counts"]["replace"], 2 * DOCUMENTS);
            assert_eq!(broken.states().await, states("good"));
        } else {
            let (_, undo) = broken.post(&planned, "undo", json!({})).await;
            let undone = broken.finished(&undo).await;
            assert_eq!((&undone["state"], &undone["counts"]["replace"]), (&json!("done"), &json!(DOCUMENTS)));
            assert_eq!(broken.states().await, states("bad"));
            let (status, refused) = broken.post(&planned, "execute", json!({})).await;
            assert_eq!(status, StatusCode::BAD_REQUEST, "the rest is not executed after it: {refused}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_that_changed_in_one_source_is_a_conflict_of_both() {
    let broken = Broken::new().await;
    let planned = broken.planned().await;
    put(&broken.world.client, "orders", json!({"id": "orders-0", "pk": "a", "state": "newer"})).await;
    let (_, restore) = broken.post(&planned, "execute", json!({})).await;
    let done = broken.finished(&restore).await;
    assert_eq!((&done["state"], &done["counts"]["conflict"]), (&json!("conflicts"), &json!(1)), "{done}");
    let live = items(&broken.world.client, "orders").await;
    let newer = live.iter().find(|document| document["id"] == "orders-0").expect("a document");
    assert_eq!(newer["state"], "newer");
    let (_, undo) = broken.post(&done, "undo", json!({})).await;
    assert_eq!(broken.finished(&undo).await["counts"]["replace"], 2 * DOCUMENTS - 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_meant_for_several_sources_is_refused() {
    let broken = Broken::new().await;
    let path = format!("/api/restores?source={SOURCES}");
    let refused = async |path: &str, request: Value| {
        let (status, answer) = broken.handler.post(path, &request).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{answer}");
        answer["error"]["message"].as_str().unwrap_or_default().to_owned()
    };
    let mut at_once = broken.request();
    at_once.as_object_mut().expect("an object").retain(|name, _| name == "changedBetween");
    let message = refused(&path, at_once).await;
    assert!(message.contains("is planned first: set dryRun and store to true"), "{message}");
    for (request, what) in [
        (json!({"id": "1", "pk": "a", "asOf": 1, "dryRun": true, "store": true}), "documents"),
        (json!({"pk": "a", "asOf": 1, "dryRun": true, "store": true}), "a partition key"),
        (json!({"all": true, "asOf": 1, "into": "other", "dryRun": true, "store": true}), "another container"),
    ] {
        let message = refused(&path, request).await;
        assert!(message.contains(&format!("it names {what}, which is of one source")), "{message}");
    }
    let message = refused("/api/restores?source=orders,other", broken.request()).await;
    assert!(message.contains("unknown source \"other\"; use one of customers, orders, default"), "{message}");
    let stored = items(&broken.world.client, "jobs").await;
    assert!(stored.iter().all(|item| item["kind"] != "restore" && item["kind"] != "joint-restore"), "{stored:?}");

    let planned = broken.planned().await;
    let id = planned["id"].as_str().expect("id");
    for (sources, status, says) in [
        ("customers,orders,default", 400, "it is of the sources customers,orders; name these and no others"),
        ("orders", 404, "there is no such restore"),
    ] {
        let (found, answer) = broken.handler.get(&format!("/api/restores/{id}?source={sources}")).await;
        assert!(found.as_u16() == status && answer.to_string().contains(says), "{sources}: {answer}");
    }
    let (status, answer) = broken.handler.get(&format!("/api/restores/{id}/items?source={SOURCES}")).await;
    assert!(status == StatusCode::BAD_REQUEST && answer.to_string().contains("for each source"), "{answer}");
    let (status, answer) = broken.post(&planned, "undo", json!({})).await;
    assert!(status == StatusCode::BAD_REQUEST && answer.to_string().contains("nothing to undo"), "{answer}");
    let (_, cancelled) = broken.post(&planned, "cancel", json!({})).await;
    assert_eq!(cancelled["state"], "planned", "a complete plan has ended: {cancelled}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_plans_asks_once_executes_and_prints_the_undo() {
    let broken = Broken::new().await;
    let until = chrono::Utc::now().timestamp().to_string();
    let run = ["restore", "run", "--source", SOURCES, "--changed-between", &broken.from, &until];
    let (code, text) = broken.command.text(&[&run[..], &["--dry-run"]].concat()).await;
    let expected = ["Source customers, restore ", "Source orders, restore ", "6 to replace", "To execute this plan: "];
    assert!(code == 0 && expected.iter().all(|expected| text.contains(expected)), "{code} {text}");
    let (code, text) = broken.command.text(&run).await;
    assert!(code == 1 && text.contains("Write 6 documents? Not a terminal; pass --yes"), "{code} {text}");
    assert_eq!(broken.states().await, states("bad"));

    let (code, text) = broken.command.text(&[&run[..], &["--yes"]].concat()).await;
    assert!(code == 0 && text.contains("orders: 3 replaced for") && text.contains(": 6 replaced for"), "{code} {text}");
    assert_eq!(broken.states().await, states("good"));
    let undo = text.lines().find_map(|line| line.strip_prefix("To undo it: changefeed ")).expect("the undo");
    let words: Vec<&str> = undo.split(' ').chain(["--yes"]).collect();
    let (code, text) = broken.command.text(&words).await;
    assert!(code == 0 && text.contains(": 6 replaced for"), "{undo}: {code} {text}");
    assert_eq!(broken.states().await, states("bad"));
    let (code, text) = broken.command.text(&words).await;
    assert!(code == 0 && text.contains("is undone by restore"), "{code} {text}");

    let (code, listed) = broken.command.json(&["restore", "list", "--source", SOURCES]).await;
    let listed = listed["items"].as_array().expect("items").clone();
    let planned = listed.iter().find(|item| item["state"] == "planned").expect("a plan")["id"].as_str().expect("id");
    assert!(code == 0 && listed.len() == 4, "two plans, a restore and its undo: {listed:?}");
    let (code, text) = broken.command.text(&["restore", "items", planned, "--source", SOURCES]).await;
    assert!(code == 2 && text.contains("--source customers; changefeed restore items"), "{code} {text}");
    let (code, text) = broken.command.text(&["restore", "execute", planned, "--source", SOURCES, "--yes"]).await;
    assert!(code == 3 && text.contains("it has changed since the plan") && text.contains("6 in conflict"), "{text}");
    assert_eq!(broken.states().await, states("bad"), "that of a time before is not executed");
    let (code, text) = broken.command.text(&["restore", "show", planned, "--source", SOURCES]).await;
    assert!(code == 0 && text.contains("6 in conflict"), "{code} {text}");
}
