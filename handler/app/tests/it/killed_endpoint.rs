//! `changefeed local --data`: what was answered survives the death of the process at any moment.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use reqwest::{Client, Method, Response};
use serde_json::{Value, json};

use crate::support::{DEADLINE, Local, signal, until};

const WRITERS: usize = 4;
const ROUNDS: usize = 3;
/// The writes that are answered before the process is killed, at least.
const WRITES: usize = 150;
const LEASES: &str = "/dbs/db/colls/leases/docs";
const ITEMS: &str = "/dbs/db/colls/c/docs";
const ALL_VERSIONS: &str = "Full-Fidelity Feed";

/// The endpoint of a running `changefeed local --data`.
struct Endpoint {
    local: Local,
    http: Client,
}

impl Endpoint {
    async fn start(folder: &Path) -> Self {
        let folder = folder.to_str().expect("a path");
        let local = Local::start_endpoint(&["--cosmos-only", "--data", folder, "--partitions", "2"]).await;
        Self { local, http: Client::builder().no_proxy().build().expect("a client") }
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: &Value,
    ) -> reqwest::Result<Response> {
        let url = format!("{}{path}", self.local.ready["cosmos"].as_str().expect("cosmos").trim_end_matches('/'));
        let mut request = self.http.request(method, url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if body.is_null() { request.send().await } else { request.body(body.to_string()).send().await }
    }

    async fn create(&self, path: &str, body: &Value) {
        let answer = self.send(Method::POST, path, &[], body).await.expect("an answer");
        assert_eq!(answer.status(), 201, "{path}");
    }

    /// The documents of all pages of a change feed, and its end.
    async fn feed(&self, mode: &str, start: Option<&str>) -> (Vec<Value>, String) {
        let mut etag = start.map(str::to_owned);
        let mut read = Vec::new();
        loop {
            let mut headers = vec![("a-im", mode)];
            headers.extend(etag.as_deref().map(|etag| ("if-none-match", etag)));
            let answer = self.send(Method::GET, ITEMS, &headers, &Value::Null).await.expect("an answer");
            let next = answer.headers()["etag"].to_str().expect("text").to_owned();
            if answer.status() == 304 {
                return (read, next);
            }
            assert_eq!(answer.status(), 200);
            let page: Value = answer.json().await.expect("JSON");
            read.extend(page["Documents"].as_array().expect("documents").clone());
            etag = Some(next);
        }
    }

    async fn items(&self) -> Vec<Value> {
        let answer = self.send(Method::GET, ITEMS, &[("x-ms-max-item-count", "1000")], &Value::Null).await;
        let answer = answer.expect("an answer");
        assert!(answer.headers().get("x-ms-continuation").is_none(), "more than a page");
        let page: Value = answer.json().await.expect("JSON");
        page["Documents"].as_array().expect("documents").clone()
    }

    async fn lease(&self, name: &str) -> Value {
        let path = format!("{LEASES}/{name}");
        let key = json!([name]).to_string();
        let headers = [("x-ms-documentdb-partitionkey", key.as_str())];
        self.send(Method::GET, &path, &headers, &Value::Null).await.expect("an answer").json().await.expect("JSON")
    }

    fn kill(self) {
        self.local.kill();
    }
}

/// A program that creates an item, replaces it, and deletes every third one. Its writes have the numbers from 0 on.
#[derive(Clone)]
struct Writer(String);

impl Writer {
    fn id(&self, write: usize) -> String {
        format!("{}-{}", self.0, write / 3)
    }

    /// What a write makes of its item: its number, or nothing. The third write of an item deletes it or replaces it again.
    fn result(write: usize) -> Option<usize> {
        (write % 9 != 2).then_some(write)
    }

    async fn send(&self, endpoint: &Endpoint, write: usize) -> reqwest::Result<Response> {
        let id = self.id(write);
        let key = json!([self.0]).to_string();
        let mut headers = vec![("x-ms-documentdb-partitionkey", key.as_str())];
        if Self::result(write).is_none() {
            return endpoint.send(Method::DELETE, &format!("{ITEMS}/{id}"), &headers, &Value::Null).await;
        }
        headers.push(("x-ms-documentdb-is-upsert", "true"));
        endpoint.send(Method::POST, ITEMS, &headers, &json!({"id": id, "pk": self.0, "n": write})).await
    }

    /// The items after this many writes.
    fn items(&self, writes: usize) -> Vec<(String, usize)> {
        let mut items: Vec<(String, usize)> = Vec::new();
        for write in 0..writes {
            let id = self.id(write);
            items.retain(|(known, _)| *known != id);
            items.extend(Self::result(write).map(|n| (id, n)));
        }
        items.sort();
        items
    }

    /// The items of a list that are this writer's.
    fn own(&self, items: &[Value]) -> Vec<(String, usize)> {
        let own = items.iter().filter(|item| item["pk"] == json!(self.0));
        let mut own: Vec<_> = own.map(|item| (text(&item["id"]), number(&item["n"]))).collect();
        own.sort();
        own
    }

    /// The ids and results of this many writes.
    fn versions(&self, writes: usize) -> Vec<(String, Option<usize>)> {
        (0..writes).map(|write| (self.id(write), Self::result(write))).collect()
    }

    fn own_versions(&self, versions: &[Value]) -> Vec<(String, Option<usize>)> {
        let version = |version: &Value| match version["metadata"]["operationType"].as_str() {
            Some("delete") => {
                (version["metadata"]["partitionKey"]["pk"].clone(), (text(&version["metadata"]["id"]), None))
            }
            _ => {
                let current = &version["current"];
                (current["pk"].clone(), (text(&current["id"]), Some(number(&current["n"]))))
            }
        };
        let own = versions.iter().map(version).filter(|(key, _)| *key == json!(self.0));
        own.map(|(_, version)| version).collect()
    }
}

fn text(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}

fn number(value: &Value) -> usize {
    usize::try_from(value.as_u64().expect("a number")).expect("a small number")
}

/// Writes until the endpoint does not answer any more. Returns how many writes were answered.
async fn write(endpoint: Arc<Endpoint>, writer: Writer, total: Arc<AtomicUsize>) -> usize {
    for write in 0.. {
        match writer.send(&endpoint, write).await {
            Ok(answer) => assert!(answer.status().is_success(), "{}: {}", writer.id(write), answer.status()),
            Err(_) => return write,
        }
        total.fetch_add(1, Ordering::SeqCst);
    }
    unreachable!("the endpoint is killed")
}

/// Moves the checkpoint of a lease under its etag, as processors do, until the endpoint does not answer any more. Returns the last
/// checkpoint that was answered, with its etag.
async fn checkpoint(endpoint: Arc<Endpoint>, name: String) -> (usize, String) {
    let key = json!([name]).to_string();
    let mut etag = text(&endpoint.lease(&name).await["_etag"]);
    for checkpoint in 1.. {
        let lease = json!({"id": name, "Owner": "instance", "ContinuationToken": format!("\"{checkpoint}\"")});
        let headers = [("x-ms-documentdb-partitionkey", key.as_str()), ("if-match", etag.as_str())];
        let answer = endpoint.send(Method::PUT, &format!("{LEASES}/{name}"), &headers, &lease).await;
        let Ok(answer) = answer else { return (checkpoint - 1, etag) };
        assert_eq!(answer.status(), 200);
        etag = answer.headers()["etag"].to_str().expect("text").to_owned();
    }
    unreachable!("the endpoint is killed")
}

#[tokio::test(flavor = "multi_thread")]
async fn writes_and_checkpoints_that_were_answered_survive_a_kill() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut endpoint = Endpoint::start(folder.path()).await;
    endpoint.create("/dbs", &json!({"id": "db"})).await;
    for (id, path) in [("c", "/pk"), ("leases", "/id")] {
        let key = json!({"paths": [path], "kind": "Hash", "version": 2});
        endpoint.create("/dbs/db/colls", &json!({"id": id, "partitionKey": key})).await;
    }
    let (_, start) = endpoint.feed(ALL_VERSIONS, Some("*")).await;
    let mut done: Vec<(Writer, usize)> = Vec::new();
    for round in 0..ROUNDS {
        let lease = format!("lease..{round}");
        let created = json!({"id": lease, "Owner": null, "ContinuationToken": "\"0\""});
        let key = json!([lease]).to_string();
        let headers = [("x-ms-documentdb-partitionkey", key.as_str())];
        let answer = endpoint.send(Method::POST, LEASES, &headers, &created).await.expect("an answer");
        assert_eq!(answer.status(), 201);

        let (running, total) = (Arc::new(endpoint), Arc::new(AtomicUsize::new(0)));
        let writers: Vec<_> = (0..WRITERS)
            .map(|number| {
                let writer = Writer(format!("{round}-{number}"));
                let task = tokio::spawn(write(Arc::clone(&running), writer.clone(), Arc::clone(&total)));
                (writer, task)
            })
            .collect();
        let processor = tokio::spawn(checkpoint(Arc::clone(&running), lease.clone()));
        until("enough writes", DEADLINE, async || total.load(Ordering::SeqCst) >= WRITES).await;
        signal("-KILL", running.local.pid());
        let mut answered = Vec::new();
        for (writer, task) in writers {
            answered.push((writer, task.await.expect("a writer")));
        }
        let (checkpoint, etag) = processor.await.expect("a processor");
        assert!(checkpoint > 0);
        Arc::into_inner(running).expect("no other user").kill();

        endpoint = Endpoint::start(folder.path()).await;
        let items = endpoint.items().await;
        let (latest, _) = endpoint.feed("Incremental Feed", None).await;
        let (versions, _) = endpoint.feed(ALL_VERSIONS, Some(&start)).await;
        for (writer, answered) in answered {
            // The last write may have been done without an answer.
            let own = writer.own_versions(&versions);
            let writes = own.len();
            assert!(writes == answered || writes == answered + 1, "{}: {writes} of {answered}", writer.0);
            done.push((writer, writes));
        }
        for (writer, writes) in &done {
            assert_eq!(writer.own_versions(&versions), writer.versions(*writes), "all versions, round {round}");
            assert_eq!(writer.own(&items), writer.items(*writes), "items, round {round}");
            assert_eq!(writer.own(&latest), writer.items(*writes), "latest versions, round {round}");
        }
        let found = endpoint.lease(&lease).await;
        let token = |checkpoint: usize| json!(format!("\"{checkpoint}\""));
        if found["ContinuationToken"] == token(checkpoint) {
            assert_eq!(found["_etag"], json!(etag), "a processor continues under the etag that it knows");
        } else {
            assert_eq!(found["ContinuationToken"], token(checkpoint + 1), "{found}");
        }
    }
}

/// A process that was killed while it made the folder has left an empty file behind.
#[tokio::test]
async fn a_folder_with_an_empty_format_is_new() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("format"), "").expect("a file");
    let endpoint = Endpoint::start(folder.path()).await;
    endpoint.create("/dbs", &json!({"id": "db"})).await;
    endpoint.kill();
    let endpoint = Endpoint::start(folder.path()).await;
    let answer = endpoint.send(Method::GET, "/dbs/db", &[], &Value::Null).await.expect("an answer");
    assert_eq!(answer.status(), 200);
}
