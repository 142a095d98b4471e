//! A Cosmos DB account for a test, accessed over REST.

use local_cosmos::{Endpoint, Options};
use local_host::HostOptions;
use reqwest::{Client, Method, RequestBuilder, Response};
use serde_json::{Value, json};

use crate::test_host::with_deadline;

pub struct Account {
    endpoint: Endpoint,
    client: Client,
}

impl Account {
    /// An account without a database.
    pub async fn empty() -> Self {
        let endpoint =
            Endpoint::start(Options { partitions: Some(4), ..Options::default() }).await.expect("an endpoint");
        Self { endpoint, client: Client::builder().no_proxy().build().expect("a client") }
    }

    /// An account with the containers of a trigger.
    pub async fn new() -> Self {
        let account = Self::empty().await;
        account.create_containers().await;
        account
    }

    pub async fn create_containers(&self) {
        self.send(self.post("dbs"), json!({"id": "dev"})).await;
        for (container, key) in [("events", "/pk"), ("leases", "/id")] {
            let definition = json!({"id": container, "partitionKey": {"paths": [key], "kind": "Hash", "version": 2}});
            self.send(self.post("dbs/dev/colls"), definition).await;
        }
    }

    /// Sets the connection `CosmosDB` of a host to this account.
    pub fn connect(&self, options: &mut HostOptions) {
        options.settings.insert("CosmosDB".to_owned(), self.endpoint.connection_string());
    }

    /// Writes a document to `dev/events`.
    pub async fn write(&self, document: Value) {
        let key = json!([document["pk"]]).to_string();
        let request = self.post("dbs/dev/colls/events/docs").header("x-ms-documentdb-partitionkey", key);
        self.send(request.header("x-ms-documentdb-is-upsert", "True"), document).await;
    }

    /// Sends these bytes as a document with this key to `dev/events`.
    pub async fn try_to_write(&self, pk: &str, document: Vec<u8>) -> Response {
        let request =
            self.post("dbs/dev/colls/events/docs").header("x-ms-documentdb-partitionkey", json!([pk]).to_string());
        with_deadline(request.header("content-type", "application/json").body(document).send())
            .await
            .expect("a response")
    }

    /// Deletes a document of `dev/events`.
    pub async fn delete(&self, pk: &str, id: &str) {
        let request = self.request(Method::DELETE, &format!("dbs/dev/colls/events/docs/{id}"));
        let request = request.header("x-ms-documentdb-partitionkey", json!([pk]).to_string());
        let response = with_deadline(request.send()).await.expect("a response");
        assert!(response.status().is_success(), "{}", response.status());
    }

    /// The leases in `dev/leases`, without its other documents.
    pub async fn leases(&self) -> Vec<Value> {
        let request = self.request(Method::GET, "dbs/dev/colls/leases/docs");
        let documents = with_deadline(request.send()).await.expect("a response").text().await.expect("a body");
        let mut documents: Value = serde_json::from_str(&documents).expect("JSON");
        let documents = documents["Documents"].take();
        let documents = documents.as_array().expect("documents").iter();
        documents.filter(|document| document.get("LeaseToken").is_some()).cloned().collect()
    }

    fn post(&self, path: &str) -> RequestBuilder {
        self.request(Method::POST, path)
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.client.request(method, format!("{}{path}", self.endpoint.url()));
        request.header("x-ms-version", "2020-07-15").header("x-ms-date", "Thu, 01 Jan 2026 00:00:00 GMT")
    }

    async fn send(&self, request: RequestBuilder, body: Value) {
        let request = request.header("content-type", "application/json").body(body.to_string());
        let response = with_deadline(request.send()).await.expect("a response");
        assert!(response.status().is_success(), "{response:?}");
    }
}
