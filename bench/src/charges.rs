//! The request units for storing a version, as the embedded endpoint charges them: with our index policy, and with the default one.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use local_cosmos::{Endpoint, Options};
use serde_json::{Value, json};

use crate::account::Account;

/// Bytes of the documents.
const SIZES: [usize; 3] = [1_000, 5_000, 20_000];

/// Prints a table in Markdown.
pub(crate) async fn run(executable: &Path) -> Result<()> {
    let endpoint = Endpoint::start(Options::default()).await?;
    let account = Account { url: endpoint.url().to_owned() };
    account.provision(executable).await?;
    let key = json!({"paths": ["/pk", "/sourceId"], "kind": "MultiHash", "version": 2});
    create(&account, "dbs/dev/colls", &json!({"id": "default-policy", "partitionKey": key}), None).await?;
    println!("| bytes of the document | our index policy | default policy | ratio |");
    println!("|---|---|---|---|");
    for (number, bytes) in SIZES.into_iter().enumerate() {
        let record = record(number, bytes);
        let key = json!([record["pk"], record["sourceId"]]).to_string();
        let ours = create(&account, "dbs/dev/colls/changes/docs", &record, Some(&key)).await?;
        let default = create(&account, "dbs/dev/colls/default-policy/docs", &record, Some(&key)).await?;
        println!("| {bytes} | {ours:.1} | {default:.1} | {:.2} |", ours / default);
    }
    Ok(())
}

/// The record of a document with a property for each 50 bytes.
fn record(number: usize, bytes: usize) -> Value {
    let mut document = json!({"id": format!("document-{number}"), "pk": "a"});
    for field in 0.. {
        if document.to_string().len() >= bytes {
            break;
        }
        document[format!("field{field}")] = json!(format!("the value of field {field:04}, a text"));
    }
    json!({
        "id": format!("1760000000-{number:08}"),
        "pk": "a",
        "sourceId": document["id"],
        "partitionKey": ["a"],
        "operation": "write",
        "sourceTs": 1_760_000_000,
        "lsn": number,
        "etag": format!("\"{number:08}\""),
        "capturedAt": "2026-01-01T00:00:00.000Z",
        "capturedBy": "CosmosChangeFeed",
        "exact": true,
        "schema": 1,
        "document": document,
    })
}

/// Creates something, and returns its charge.
async fn create(account: &Account, path: &str, body: &Value, key: Option<&str>) -> Result<f64> {
    let client = reqwest::Client::builder().no_proxy().build()?;
    let mut request = client.post(format!("{}{path}", account.url)).body(body.to_string());
    if let Some(key) = key {
        request = request.header("x-ms-documentdb-partitionkey", key);
    }
    let answer = request.send().await?;
    ensure!(answer.status().is_success(), "creating {path}: {}", answer.status());
    let charge = answer.headers().get("x-ms-request-charge").context("no charge")?;
    Ok(charge.to_str()?.parse()?)
}
