//! Requests that emulators have answered wrongly, the right answers, and where these are documented.
//!
//! Sources are pages of the documentation of Azure Cosmos DB for NoSQL, by title, unless they name something else.

mod definitions;
mod items;
mod patches;
mod queries;
mod requests;
mod throughput;

use local_cosmos::{Endpoint, Options};
use serde_json::{Value, json};

use crate::wire::{Answer, Headers, Wire};

pub const QUOTAS: &str = "Azure Cosmos DB service quotas";

/// A request, its right answer, and the source of the answer.
pub struct Row {
    method: &'static str,
    path: String,
    headers: Headers,
    body: String,
    status: u16,
    substatus: Option<u32>,
    /// Members that the body must have, with these values.
    body_has: Value,
    /// Members of the body that must be missing.
    body_lacks: Vec<&'static str>,
    source: &'static str,
}

/// A request whose right status is 200. A path without a slash at its start is below the container.
pub fn row(method: &'static str, path: &str, source: &'static str) -> Row {
    let path = match path.strip_prefix('/') {
        Some(_) => path.to_owned(),
        None => format!("{CONTAINER}/{path}"),
    };
    Row {
        method,
        path,
        headers: Headers::new(),
        body: String::new(),
        status: 200,
        substatus: None,
        body_has: Value::Null,
        body_lacks: Vec::new(),
        source,
    }
}

impl Row {
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The partition key, as JSON.
    pub fn key(self, key: &Value) -> Self {
        self.header("x-ms-documentdb-partitionkey", &key.to_string())
    }

    pub fn upsert(self) -> Self {
        self.header("x-ms-documentdb-is-upsert", "True")
    }

    pub fn body(self, body: &Value) -> Self {
        self.text(&body.to_string())
    }

    pub fn text(mut self, body: &str) -> Self {
        self.body = body.to_owned();
        self
    }

    pub fn query(self, query: &str) -> Self {
        self.header("x-ms-documentdb-isquery", "True")
            .header("content-type", "application/query+json")
            .body(&json!({"query": query}))
    }

    pub fn is(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    pub fn substatus(mut self, substatus: u32) -> Self {
        self.substatus = Some(substatus);
        self
    }

    pub fn has(mut self, body: Value) -> Self {
        self.body_has = body;
        self
    }

    pub fn lacks(mut self, member: &'static str) -> Self {
        self.body_lacks.push(member);
        self
    }

    /// What is wrong with an answer.
    fn wrong(&self, answer: &Answer) -> Option<String> {
        let body = answer.json();
        let wanted = match self.substatus {
            Some(substatus) => format!("{}/{substatus}", self.status),
            None => self.status.to_string(),
        };
        let right_status =
            answer.status == self.status && self.substatus.is_none_or(|wanted| wanted == answer.substatus());
        let wanted = if !right_status {
            wanted
        } else if !has(&body, &self.body_has) {
            format!("{wanted} {}", self.body_has)
        } else {
            let present = self.body_lacks.iter().find(|member| body.get(member).is_some())?;
            format!("{wanted} without {present}")
        };
        let sent: String = self.body.chars().take(200).collect();
        let Self { method, path, headers, source, .. } = self;
        let shown: Vec<String> = headers.iter().map(|(name, value)| format!("{name}: {value:.60}")).collect();
        Some(format!(
            "{method} {path:.90} [{}] {sent} | right: {wanted} ({source}) | came: {}",
            shown.join(", "),
            answer.summary()
        ))
    }
}

/// Whether a value has all members of another, with their values.
fn has(value: &Value, wanted: &Value) -> bool {
    match wanted {
        Value::Null => true,
        Value::Object(members) => members.iter().all(|(name, wanted)| match wanted {
            Value::Null => value.get(name) == Some(&Value::Null),
            wanted => value.get(name).is_some_and(|value| has(value, wanted)),
        }),
        Value::Number(wanted) => value.as_f64() == wanted.as_f64(),
        wanted => value == wanted,
    }
}

pub const CONTAINER: &str = "/dbs/db/colls/c";

/// An endpoint with the container `c` in the database `db`.
pub struct Scene {
    pub endpoint: Endpoint,
    pub wire: Wire,
}

impl Scene {
    pub async fn start() -> Self {
        Self::with(json!({"id": "c", "partitionKey": {"paths": ["/pk"], "kind": "Hash", "version": 2}})).await
    }

    pub async fn with(definition: Value) -> Self {
        let endpoint = Endpoint::start(Options::default()).await.expect("an endpoint");
        let scene = Self { wire: Wire::new(endpoint.url()), endpoint };
        scene.succeed(row("POST", "/dbs", "").body(&json!({"id": "db"}))).await;
        scene.succeed(row("POST", "/dbs/db/colls", "").body(&definition)).await;
        scene
    }

    pub async fn send(&self, row: &Row) -> Answer {
        self.wire.send(row.method, &row.path, &row.headers, row.body.as_bytes()).await
    }

    pub async fn succeed(&self, row: Row) -> Answer {
        let answer = self.send(&row).await;
        assert!(answer.status < 300, "{} {} {:.200}: {}", row.method, row.path, row.body, answer.summary());
        answer
    }

    /// Creates or replaces an item with the partition key in its member `pk`.
    pub async fn upsert(&self, item: Value) -> Answer {
        self.succeed(row("POST", "docs", "").key(&json!([item["pk"]])).upsert().body(&item)).await
    }

    /// Sends the requests in order.
    ///
    /// # Panics
    /// With a list of the wrong answers.
    pub async fn check(&self, rows: Vec<Row>) {
        let mut wrong = Vec::new();
        for row in &rows {
            wrong.extend(row.wrong(&self.send(row).await));
        }
        assert!(wrong.is_empty(), "{} of {} answers are wrong:\n{}", wrong.len(), rows.len(), wrong.join("\n"));
    }
}
