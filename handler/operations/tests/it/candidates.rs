//! The documents that a restore within one request plans.

use changefeed_cosmos::{Clock, Connection, ConnectionString, connect};
use changefeed_history::Batch;
use changefeed_jobs::JobOptions;
use changefeed_operations::Changefeed;
use local_cosmos::{Endpoint, Options};
use serde_json::value::to_raw_value;
use serde_json::{Value, json};

use crate::support;

/// An endpoint with the containers as `provision` creates them.
async fn provisioned() -> (Endpoint, Changefeed) {
    let endpoint =
        Endpoint::start(Options { refuse_unindexed_queries: true, ..Options::default() }).await.expect("endpoint");
    let connection = ConnectionString::parse(&endpoint.connection_string()).expect("connection string");
    let client = connect(&Connection::Key(connection), &[]).await.expect("connected");
    support::provision(&client, "pk,n").await;
    let jobs = JobOptions { max_candidates: 2, ..JobOptions::default() };
    (endpoint, support::changefeed(&client, Clock::default(), jobs))
}

async fn capture(changefeed: &Changefeed, documents: &[Value]) {
    let batch = Batch { function: "test".into(), invocation_id: "test".into(), rewritten_by_host: false };
    let documents = documents.iter().map(|document| to_raw_value(document).expect("raw")).collect();
    changefeed.capture.capture(&batch, documents).await.expect("captured");
}

/// The document as it was at each of these seconds.
fn versions(id: &str, seconds: std::ops::Range<i64>) -> Vec<Value> {
    let version =
        |second: i64| json!({"id": id, "pk": "a", "n": second, "_ts": second, "_etag": format!("\"{second}\"")});
    seconds.map(version).collect()
}

/// The ids of the documents that a restore plans; `None` when it is too large for one request.
async fn planned(changefeed: &Changefeed, request: Value) -> Option<Vec<String>> {
    let request = serde_json::from_value(request).expect("request");
    let plan = changefeed.restores.plan(&request).await.expect("plan")?;
    Some(plan.items.into_iter().map(|item| item.id).collect())
}

#[tokio::test]
async fn a_document_is_a_candidate_once_whatever_the_selection() {
    let (_endpoint, changefeed) = provisioned().await;
    capture(&changefeed, &versions("many", 1000..1009)).await;
    capture(&changefeed, &versions("one", 1000..1001)).await;
    for mut request in [json!({"all": true}), json!({"partitionKey": ["a"]}), json!({"filter": ["pk=a"]})] {
        request["asOf"] = json!(5000);
        let expected = Some(vec!["many".to_owned(), "one".to_owned()]);
        assert_eq!(planned(&changefeed, request.clone()).await, expected, "{request}");
    }
}

#[tokio::test]
async fn more_versions_than_one_request_reads_make_a_job_and_the_others_are_not_read() {
    let (endpoint, changefeed) = provisioned().await;
    capture(&changefeed, &versions("many", 1000..1300)).await;
    for mut request in [json!({"all": true}), json!({"partitionKey": ["a"]}), json!({"filter": ["pk=a"]})] {
        request["asOf"] = json!(5000);
        endpoint.take_requests();
        assert_eq!(planned(&changefeed, request.clone()).await, None, "{request}");
        let is_names = |query: &String| query.contains("c.sourceId");
        let replies =
            endpoint.take_requests().into_iter().filter(|request| request.query.as_ref().is_some_and(is_names));
        let rows: usize = replies.map(|reply| reply.items).sum();
        assert!((11..60).contains(&rows), "{request}: {rows} of 300 versions were read");
        request["asOf"] = json!(1005);
        assert_eq!(planned(&changefeed, request.clone()).await, Some(vec!["many".to_owned()]), "{request}");
    }
}

#[tokio::test]
async fn more_documents_than_one_request_plans_make_a_job() {
    let (_endpoint, changefeed) = provisioned().await;
    for id in ["1", "2", "3"] {
        capture(&changefeed, &versions(id, 1000..1002)).await;
    }
    assert_eq!(planned(&changefeed, json!({"all": true, "asOf": 5000})).await, None);
    assert_eq!(planned(&changefeed, json!({"filter": ["n=7"], "asOf": 5000})).await, Some(Vec::new()));
}
