//! The least that a handler must do: decode a batch, write each document as a record. No retries, no checks, no signatures.

use std::net::TcpListener;

use actix_web::web::{self, Bytes, Data, PayloadConfig};
use actix_web::{App, HttpResponse, HttpServer};
use anyhow::{Context, Result, ensure};
use futures::{StreamExt, TryStreamExt};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

const MAX_REQUEST_BYTES: usize = 256 * 1024 * 1024;
const CONCURRENT_WRITES: usize = 32;
/// Operations of a bulk request: the service's limit.
const BULK: usize = 100;

struct Floor {
    url: String,
    client: reqwest::Client,
    bulk: bool,
}

#[derive(Deserialize)]
struct Invocation {
    #[serde(rename = "Data")]
    data: InvocationData,
}

#[derive(Deserialize)]
struct InvocationData {
    documents: String,
}

/// What a record takes from a change.
#[derive(Deserialize)]
struct Change<'a> {
    id: String,
    pk: String,
    #[serde(borrow)]
    _etag: std::borrow::Cow<'a, str>,
    _ts: i64,
}

/// Listens on a free port until it is killed.
pub(crate) async fn run(bulk: bool) -> Result<()> {
    let endpoint = std::env::var("COSMOS_ENDPOINT").context("COSMOS_ENDPOINT is not set")?;
    let floor = Data::new(Floor {
        url: format!("{endpoint}dbs/dev/colls/changes/docs"),
        client: reqwest::Client::builder().no_proxy().build()?,
        bulk,
    });
    let listener = TcpListener::bind("127.0.0.1:0")?;
    println!("listening on http://{}", listener.local_addr()?);
    let app = move || {
        App::new()
            .app_data(floor.clone())
            .app_data(PayloadConfig::new(MAX_REQUEST_BYTES))
            .route("/CosmosChangeFeed", web::post().to(post))
    };
    Ok(HttpServer::new(app).workers(2).listen(listener)?.run().await?)
}

async fn post(body: Bytes, floor: Data<Floor>) -> HttpResponse {
    match capture(&body, &floor).await {
        Ok(()) => HttpResponse::Ok().json(json!({"Outputs": {}, "Logs": [], "ReturnValue": null})),
        Err(error) => HttpResponse::ServiceUnavailable().json(json!({"error": format!("{error:#}")})),
    }
}

async fn capture(body: &[u8], floor: &Floor) -> Result<()> {
    let invocation: Invocation = serde_json::from_slice(body)?;
    let documents: String = serde_json::from_str(&invocation.data.documents)?;
    let documents: Vec<&RawValue> = serde_json::from_str(&documents)?;
    let records: Vec<(String, String)> = documents.into_iter().map(record).collect::<Result<_>>()?;
    if floor.bulk {
        let requests = records.chunks(BULK).map(|records| floor.write_bulk(records));
        return futures::stream::iter(requests).buffer_unordered(CONCURRENT_WRITES).try_collect().await;
    }
    let requests = records.into_iter().map(|(_, record)| floor.write(record));
    futures::stream::iter(requests).buffer_unordered(CONCURRENT_WRITES).try_collect().await
}

/// The partition key and the text of a record.
fn record(document: &RawValue) -> Result<(String, String)> {
    let change: Change<'_> = serde_json::from_str(document.get())?;
    let etag = change._etag.trim_matches('"');
    let text = |value: &str| Value::from(value).to_string();
    let key = format!("[{},{}]", text(&change.pk), text(&change.id));
    let record = format!(
        "{{\"id\":{},\"pk\":{},\"sourceId\":{},\"operation\":\"write\",\"sourceTs\":{},\"document\":{}}}",
        text(&format!("{:010}-{etag}", change._ts)),
        text(&change.pk),
        text(&change.id),
        change._ts,
        document.get()
    );
    Ok((key, record))
}

impl Floor {
    async fn write(&self, record: String) -> Result<()> {
        let answer = self.client.post(&self.url).header("prefer", "return=minimal").body(record).send().await?;
        ensure!(answer.status().is_success(), "{}", answer.status());
        answer.bytes().await?;
        Ok(())
    }

    async fn write_bulk(&self, records: &[(String, String)]) -> Result<()> {
        let operations = records.iter().map(|(key, record)| {
            let key = Value::from(key.as_str());
            format!("{{\"operationType\":\"Create\",\"partitionKey\":{key},\"resourceBody\":{record}}}")
        });
        let body = format!("[{}]", operations.collect::<Vec<_>>().join(","));
        let request = self.client.post(&self.url).header("x-ms-cosmos-is-batch-request", "True").body(body);
        let answer = request.send().await?;
        ensure!(answer.status().is_success(), "{}", answer.status());
        answer.bytes().await?;
        Ok(())
    }
}
