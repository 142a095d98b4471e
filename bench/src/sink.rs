//! A Cosmos DB endpoint that stores nothing: writes, and reads of the documents of the batches, are answered at once, or after a latency. All
//! other requests are answered by the embedded endpoint, so that every SDK finds its account, containers and partitions.

use std::net::TcpListener;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::http::{Method, StatusCode};
use actix_web::web::{self, Bytes, Data, PayloadConfig};
use actix_web::{App, HttpRequest, HttpResponse, HttpResponseBuilder, HttpServer};
use anyhow::{Context, Result, ensure};
use local_cosmos::{Endpoint, Options};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::account::Account;
use crate::batches::Documents;
use crate::stored::stored as stored_documents;

const MAX_REQUEST_BYTES: usize = 16 * 1024 * 1024;
/// The service charges about this for a record of 1 KB. Nothing depends on it.
const CHARGE: &str = "7.5";
/// Headers of one connection, and those that the client that forwards sets itself.
const OWN_HEADERS: [&str; 4] = ["connection", "content-length", "host", "transfer-encoding"];

/// A running sink. Dropping it ends it.
pub(crate) struct Sink {
    url: String,
    state: Arc<State>,
    server: ServerHandle,
    _endpoint: Endpoint,
}

struct State {
    url: String,
    endpoint: String,
    client: reqwest::Client,
    latency_ms: AtomicU64,
    documents: Mutex<Option<Arc<Documents>>>,
    written: AtomicU64,
    requests: AtomicU64,
}

impl Sink {
    /// Starts a sink with a database `dev` that has the containers of a capture.
    pub(crate) async fn start() -> Result<Self> {
        let endpoint = Endpoint::start(Options::default()).await?;
        let client = reqwest::Client::builder().no_proxy().build()?;
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let url = format!("http://{}/", listener.local_addr()?);
        let state = Arc::new(State {
            url: url.clone(),
            endpoint: endpoint.url().to_owned(),
            client,
            latency_ms: AtomicU64::new(0),
            documents: Mutex::new(None),
            written: AtomicU64::new(0),
            requests: AtomicU64::new(0),
        });
        create_containers(&state).await?;
        let data = Data::from(Arc::clone(&state));
        let app = move || {
            App::new()
                .app_data(data.clone())
                .app_data(PayloadConfig::new(MAX_REQUEST_BYTES))
                .default_service(web::to(answer))
        };
        let server =
            HttpServer::new(app).tcp_nodelay(true).workers(2).disable_signals().listen_auto_h2c(listener)?.run();
        let handle = server.handle();
        actix_web::rt::spawn(server);
        Ok(Self { url, state, server: handle, _endpoint: endpoint })
    }

    pub(crate) fn account(&self) -> Account {
        Account { url: self.url.clone() }
    }

    pub(crate) fn set_latency(&self, milliseconds: u64) {
        self.state.latency_ms.store(milliseconds, Ordering::Relaxed);
    }

    /// Answers reads of the documents of the batches from now on.
    pub(crate) fn set_documents(&self, documents: Arc<Documents>) {
        *self.state.documents.lock().unwrap_or_else(PoisonError::into_inner) = Some(documents);
    }

    /// The number of records that were written, and of requests that wrote them.
    pub(crate) fn written(&self) -> (u64, u64) {
        (self.state.written.load(Ordering::Relaxed), self.state.requests.load(Ordering::Relaxed))
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        drop(self.server.stop(false));
    }
}

async fn create_containers(state: &State) -> Result<()> {
    let create = async |path: &str, body: Value| -> Result<()> {
        let request = state.client.post(format!("{}{path}", state.endpoint)).body(body.to_string());
        let answer = request.send().await?;
        ensure!(answer.status().is_success(), "creating {path}: {}", answer.status());
        Ok(())
    };
    create("dbs", json!({"id": "dev"})).await?;
    let containers =
        [("events", "/pk"), ("changes", "/pk"), ("leases", "/id"), ("jobs", "/id"), ("dead-letters", "/id")];
    for (name, key) in containers {
        let key = match name {
            "changes" => json!({"paths": ["/pk", "/sourceId"], "kind": "MultiHash", "version": 2}),
            _ => json!({"paths": [key], "kind": "Hash", "version": 2}),
        };
        create("dbs/dev/colls", json!({"id": name, "partitionKey": key})).await?;
    }
    Ok(())
}

async fn answer(request: HttpRequest, body: Bytes, state: Data<State>) -> HttpResponse {
    let header = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok());
    let is_write = request.method() == Method::POST
        && request.path().trim_end_matches('/').ends_with("/docs")
        && header("x-ms-documentdb-isquery").is_none()
        && header("x-ms-cosmos-is-query-plan-request").is_none();
    let documents = state.documents.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let is_query = header("x-ms-documentdb-isquery").is_some() && header("x-ms-cosmos-is-query-plan-request").is_none();
    let read = documents.filter(|_| !is_write);
    if let Some(read) =
        read.and_then(|documents| stored_documents(&documents, request.method(), request.path(), is_query, &body))
    {
        wait(&state).await;
        return written(StatusCode::OK).body(read);
    }
    if !is_write {
        return forward(&request, body, &state)
            .await
            .unwrap_or_else(|error| HttpResponse::BadGateway().body(format!("{error:#}")));
    }
    wait(&state).await;
    state.requests.fetch_add(1, Ordering::Relaxed);
    match header("x-ms-cosmos-is-batch-request") {
        Some(_) => batch(&body, &state),
        None => {
            state.written.fetch_add(1, Ordering::Relaxed);
            let is_minimal = header("prefer").is_some_and(|prefer| prefer.contains("minimal"));
            written(StatusCode::CREATED).body(if is_minimal { Bytes::new() } else { stored(&body) })
        }
    }
}

/// Waits as long as the service takes.
async fn wait(state: &State) {
    let latency = state.latency_ms.load(Ordering::Relaxed);
    if latency > 0 {
        actix_web::rt::time::sleep(Duration::from_millis(latency)).await;
    }
}

fn written(status: StatusCode) -> HttpResponseBuilder {
    let mut response = HttpResponseBuilder::new(status);
    response
        .content_type("application/json")
        .insert_header(("x-ms-request-charge", CHARGE))
        .insert_header(("x-ms-session-token", "0:-1#1"))
        .insert_header(("etag", "\"00000000-0000-0000-0000-000000000000\""))
        .insert_header(("x-ms-activity-id", "00000000-0000-0000-0000-000000000000"));
    response
}

/// The item with its system properties.
fn stored(body: &[u8]) -> Bytes {
    const PROPERTIES: &[u8] = b",\"_rid\":\"A\",\"_self\":\"B\",\"_etag\":\"\\\"0\\\"\",\"_attachments\":\"attachments/\",\"_ts\":1760000000}";
    let end = body.iter().rposition(|byte| *byte == b'}').unwrap_or(body.len());
    [&body[..end], PROPERTIES].concat().into()
}

/// One result for each operation.
fn batch(body: &[u8], state: &State) -> HttpResponse {
    /// Of an operation, only that it is one.
    #[derive(Deserialize)]
    struct Operation {}
    match serde_json::from_slice::<Vec<Operation>>(body) {
        Ok(operations) => {
            state.written.fetch_add(operations.len() as u64, Ordering::Relaxed);
            let result = r#"{"statusCode":201,"requestCharge":7.5,"eTag":"\"0\""}"#;
            written(StatusCode::OK).body(format!("[{}]", vec![result; operations.len()].join(",")))
        }
        Err(error) => HttpResponse::BadRequest().body(error.to_string()),
    }
}

async fn forward(request: &HttpRequest, body: Bytes, state: &State) -> Result<HttpResponse> {
    // In HTTP/2, the URI names the host too.
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    let target = format!("{}{}", state.endpoint, path.trim_start_matches('/'));
    let method = reqwest::Method::from_bytes(request.method().as_str().as_bytes())?;
    let mut forwarded = state.client.request(method, target).body(body);
    for (name, value) in request.headers() {
        if !OWN_HEADERS.contains(&name.as_str()) {
            forwarded = forwarded.header(name.as_str(), value.as_bytes());
        }
    }
    let answer = forwarded.send().await.context("forwarding to the endpoint")?;
    let mut response = HttpResponseBuilder::new(StatusCode::from_u16(answer.status().as_u16())?);
    for (name, value) in answer.headers() {
        if !OWN_HEADERS.contains(&name.as_str()) {
            response.append_header((name.as_str(), value.as_bytes()));
        }
    }
    // The account says where its regions are.
    let content = answer.bytes().await?;
    Ok(match std::str::from_utf8(&content) {
        Ok(text) => response.body(text.replace(&state.endpoint, &state.url)),
        Err(_) => response.body(content),
    })
}
