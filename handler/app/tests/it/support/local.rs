//! `changefeed local` as users run it.

use std::collections::HashSet;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::Duration;

use azure_data_cosmos::FeedScope;
use changefeed_cosmos::Client;
use futures::TryStreamExt;
use reqwest::Method;
use serde_json::{Value, json};

use super::{client, contract, until};

/// A running `changefeed local`, which is terminated when dropped.
pub struct Local {
    child: Child,
    pub ready: Value,
    pub client: Client,
    http: reqwest::Client,
}

impl Local {
    /// Starts `changefeed local` with these arguments on free ports and waits for the ready line.
    pub async fn start(arguments: &[&str]) -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        Self::start_in(&root, &[&["--host-port", "0"], arguments].concat()).await
    }

    /// The same without a port for the host.
    pub async fn start_endpoint(arguments: &[&str]) -> Self {
        Self::start_in(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../.."), arguments).await
    }

    /// The same with the functions of another folder, and a port for the host among the arguments.
    pub async fn start_in(root: &Path, arguments: &[&str]) -> Self {
        Self::start_with(root, arguments, &[]).await
    }

    /// The same with these environment variables.
    pub async fn start_with(root: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        let mut child = super::executable()
            .args(["local", "--cosmos-port", "0", "--script-root"])
            .arg(root)
            .args(arguments)
            .env("RUST_LOG", "warn,azure_data_cosmos_driver=error")
            .envs(variables.iter().copied())
            .stdout(Stdio::piped())
            .spawn()
            .expect("changefeed local");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("stdout")).read_line(&mut line).expect("the ready line");
        let ready: Value = serde_json::from_str(&line).expect("the ready line is JSON");
        assert_eq!(ready["event"], "ready");
        let client = client(ready["cosmos"].as_str().expect("cosmos")).await;
        // The host closes connections that are idle for five seconds. Closing them earlier here avoids a race with the next request.
        let http = reqwest::Client::builder().no_proxy().pool_idle_timeout(Duration::from_secs(1));
        Self { child, ready, client, http: http.build().expect("client") }
    }

    /// Calls a function with `POST`; the call must succeed.
    pub async fn post(&self, function: &str, body: Value) -> Value {
        let url = format!("{}/{function}", self.ready["api"].as_str().expect("api"));
        let response = self.http.post(url).body(body.to_string()).send().await.expect("an answer");
        let (status, text) = (response.status(), response.text().await.expect("body"));
        contract::check(&Method::POST, &format!("/api/{function}"), status, "application/json", &text);
        let answer: Value = serde_json::from_str(&text).expect("a JSON answer");
        assert!(status.is_success(), "{status}: {answer}");
        answer
    }

    /// Calls a function with `GET`.
    pub async fn get(&self, path: &str) -> Value {
        let url = format!("{}/{path}", self.ready["api"].as_str().expect("api"));
        let response = self.http.get(url).send().await.expect("an answer");
        let (status, text) = (response.status(), response.text().await.expect("body"));
        contract::check(&Method::GET, &format!("/api/{path}"), status, "application/json", &text);
        serde_json::from_str(&text).expect("a JSON answer")
    }

    /// A subcommand on the same containers, to which more arguments can be added.
    pub fn command(&self, arguments: &[&str]) -> impl Fn(&[&str]) -> Output + use<> {
        let arguments: Vec<String> = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        let connection_string = self.ready["connectionString"].as_str().expect("connectionString").to_owned();
        move |more| {
            let mut command = super::executable();
            command.args(&arguments).args(more).env("CosmosDB", &connection_string).stdin(Stdio::null());
            command.output().expect("changefeed")
        }
    }

    /// The two live documents of the city of Davidson, sorted by id.
    pub async fn davidson(&self) -> Vec<Value> {
        let mut documents = self.query("events", "SELECT * FROM c WHERE c.city_name = 'Davidson'").await;
        documents.sort_by_key(|document| document["id"].as_str().map(str::to_owned));
        assert_eq!(documents.len(), 2);
        documents
    }

    /// Overwrites a document with a wrong `seq`.
    pub async fn put_wrong(&self, document: &Value, seq: i64) {
        let events = self.client.sdk().database_client("dev").container_client("events", None).await.expect("events");
        let id = document["id"].as_str().expect("id").to_owned();
        let mut wrong = document.clone();
        wrong["seq"] = json!(seq);
        events.upsert_item(id.clone(), &id, wrong, None).await.expect("upsert");
    }

    /// Every item that a query selects, from all pages.
    pub async fn query(&self, container: &str, query: &str) -> Vec<Value> {
        let mut request = json!({"container": container, "query": query, "maxItems": 1000});
        let mut items = Vec::new();
        loop {
            let page = self.post("query", request.clone()).await;
            items.extend(page["items"].as_array().expect("items").clone());
            match page.get("continuation") {
                Some(continuation) => request["continuation"] = continuation.clone(),
                None => return items,
            }
        }
    }

    /// The number of items in a container, without the handler.
    pub async fn count(&self, container: &str) -> usize {
        let container = self
            .client
            .sdk()
            .database_client("dev")
            .container_client(container.to_owned(), None)
            .await
            .expect("container");
        let ids = container
            .query_items::<Value>("SELECT c.id FROM c", FeedScope::full_container(), None)
            .await
            .expect("query");
        ids.try_fold(0, |count, _| async move { Ok(count + 1) }).await.expect("items")
    }

    /// Writes sample documents from another process, at a rate per second.
    pub fn populate_in_background(&self, count: &str, rate: &str) -> Child {
        super::executable()
            .args(["populate", "--count", count, "--rate-per-second", rate])
            .env("CosmosDB", self.ready["connectionString"].as_str().expect("connectionString"))
            .stdout(Stdio::null())
            .spawn()
            .expect("changefeed populate")
    }

    /// Waits until the current version of every document in `events` is captured. Checks that version ids are unique.
    pub async fn until_all_captured(&self, within: Duration) {
        until("the current version of every document is captured", within, async || {
            let etags = self.query("events", "SELECT VALUE c._etag FROM c").await;
            let captured: HashSet<String> = self
                .query("changes", "SELECT VALUE c.etag FROM c")
                .await
                .into_iter()
                .filter_map(|etag| Some(etag.as_str()?.to_owned()))
                .collect();
            !etags.is_empty() && etags.iter().all(|etag| captured.contains(etag.as_str().expect("etag")))
        })
        .await;
        let mut ids: Vec<String> =
            self.query("changes", "SELECT VALUE c.id FROM c").await.iter().map(Value::to_string).collect();
        let count = ids.len();
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), count, "two versions have the same id");
    }

    /// The process id of `changefeed local`.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The process id of the handler, the child of the stand-in host.
    pub fn handler_pid(&self) -> Option<u32> {
        let own = self.child.id();
        let children = std::fs::read_dir(format!("/proc/{own}/task")).ok()?.filter_map(|task| {
            let children = std::fs::read_to_string(task.ok()?.path().join("children")).ok()?;
            children.split_whitespace().next()?.parse().ok()
        });
        children.into_iter().next()
    }

    /// Interrupts the process as Ctrl-C does and waits for its end.
    pub fn interrupt(mut self) -> ExitStatus {
        signal("-INT", self.child.id());
        self.child.wait().expect("exit status")
    }

    /// Kills the process, if it still runs, and waits for its end.
    pub fn kill(mut self) {
        let _ = self.child.kill();
        self.child.wait().expect("exit status");
    }
}

impl Drop for Local {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            signal("-TERM", self.child.id());
            let _ = self.child.wait();
        }
    }
}

/// Sends a signal to a process that a test started.
pub fn signal(signal: &str, pid: u32) {
    let _ = Command::new("kill").args([signal, &pid.to_string()]).status();
}
