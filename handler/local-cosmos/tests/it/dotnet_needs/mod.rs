//! What the .NET SDK 3.64.0 needs of answers, each found by leaving it out. Each test says how the SDK fails without it.

mod account_and_ranges;
mod feeds;
mod items;
mod plans;
mod resumed_orders;
mod search;

use local_cosmos::{Endpoint, Options};
use serde_json::{Value, json};

use crate::dotnet_replay::ranges_of;
use crate::wire::{Answer, Wire, headers};

const CONTAINER: &str = "/dbs/db/colls/c";
const DOCS: &str = "/dbs/db/colls/c/docs";
const KEY: &str = "x-ms-documentdb-partitionkey";
const RANGE: &str = "x-ms-documentdb-partitionkeyrangeid";
const P1: (&str, &str) = (KEY, "[\"p1\"]");
const UPSERT: (&str, &str) = ("x-ms-documentdb-is-upsert", "True");
const LATEST: (&str, &str) = ("a-im", "Incremental Feed");

/// An endpoint with the container `c` of two ranges in the database `db`.
struct Scene {
    endpoint: Endpoint,
    wire: Wire,
}

impl Scene {
    async fn start() -> Self {
        Self::with(json!({"id": "c", "partitionKey": {"paths": ["/pk"], "kind": "Hash"}})).await
    }

    async fn with(definition: Value) -> Self {
        let endpoint = Endpoint::start(Options::default()).await.expect("an endpoint");
        let scene = Self { wire: Wire::new(endpoint.url()), endpoint };
        scene.succeed("POST", "/dbs", &[], &json!({"id": "db"})).await;
        scene.succeed("POST", "/dbs/db/colls", &[], &definition).await;
        scene.endpoint.set_partition_count("db", "c", 2).await.expect("partitions");
        scene
    }

    /// With 24 items of 12 keys: `n` from 0 to 23, `cat` c0 to c2.
    async fn with_items() -> Self {
        let scene = Self::start().await;
        for n in 0..24 {
            let item =
                json!({"id": format!("i{n:02}"), "pk": format!("p{}", n % 12), "n": n, "cat": format!("c{}", n % 3)});
            scene.upsert(&item).await;
        }
        scene
    }

    async fn send(&self, method: &str, path: &str, pairs: &[(&str, &str)], body: &Value) -> Answer {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.wire.send(method, path, &headers(pairs), body.as_bytes()).await
    }

    async fn succeed(&self, method: &str, path: &str, pairs: &[(&str, &str)], body: &Value) -> Answer {
        let answer = self.send(method, path, pairs, body).await;
        assert!(answer.status < 300, "{method} {path}: {}", answer.summary());
        answer
    }

    async fn get(&self, path: &str, pairs: &[(&str, &str)]) -> Answer {
        self.send("GET", path, pairs, &Value::Null).await
    }

    async fn upsert(&self, item: &Value) -> Answer {
        let key = json!([item["pk"]]).to_string();
        self.succeed("POST", DOCS, &[(KEY, &key), UPSERT], item).await
    }

    async fn rid(&self, path: &str) -> String {
        let answer = self.get(path, &[]).await;
        answer.json()["_rid"].as_str().unwrap_or_else(|| panic!("{path}: {}", answer.summary())).to_owned()
    }

    /// The path of the list of ranges, by resource ids.
    async fn ranges_path(&self) -> String {
        format!("/dbs/{}/colls/{}/pkranges", self.rid("/dbs/db").await, self.rid(CONTAINER).await)
    }

    async fn ranges(&self) -> Vec<String> {
        let list = self.get(&format!("{CONTAINER}/pkranges"), &[]).await.json();
        ranges_of(&list).into_iter().map(|range| range.id).collect()
    }

    async fn plan(&self, query: &str) -> Value {
        let pairs = [
            ("x-ms-cosmos-is-query-plan-request", "True"),
            (
                "x-ms-cosmos-supported-query-features",
                "Aggregate, Distinct, GroupBy, MultipleAggregates, MultipleOrderBy, OffsetAndLimit, OrderBy, Top, NonValueAggregate, DCount, NonStreamingOrderBy, CountIf",
            ),
            ("x-ms-cosmos-query-version", "1.0"),
            ("content-type", "application/query+json"),
        ];
        let answer = self.succeed("POST", DOCS, &pairs, &json!({"query": query})).await;
        let plan = answer.json();
        assert!(plan["queryInfo"].is_object(), "{query}: {}", answer.summary());
        let ranges = plan["queryRanges"].as_array().expect("queryRanges");
        assert!(!ranges.is_empty(), "{query}: {plan}");
        for range in ranges {
            assert!(range["min"].is_string() && range["max"].is_string(), "{query}: {plan}");
        }
        plan["queryInfo"].clone()
    }

    async fn query_range(&self, query: &str, range: &str, more: &[(&str, &str)]) -> Answer {
        let mut pairs = vec![
            (RANGE, range),
            ("x-ms-documentdb-isquery", "True"),
            ("x-ms-documentdb-query-enablecrosspartition", "True"),
            ("content-type", "application/query+json"),
        ];
        pairs.extend(more);
        self.send("POST", DOCS, &pairs, &json!({"query": query})).await
    }

    /// The rows that the ranges give for the text that an SDK sends to them, and the query's plan.
    async fn rewritten_rows(&self, query: &str) -> (Vec<Value>, Value) {
        let info = self.plan(query).await;
        let rewritten = info["rewrittenQuery"].as_str().unwrap_or_default();
        assert!(!rewritten.is_empty(), "{query} has no rewritten text: {info}");
        let rewritten = rewritten.replace("{documentdb-formattableorderbyquery-filter}", "true");
        let mut rows = Vec::new();
        for range in self.ranges().await {
            let answer = self.query_range(&rewritten, &range, &[]).await;
            assert_eq!(answer.status, 200, "{rewritten}: {}", answer.summary());
            rows.extend(answer.json()["Documents"].as_array().expect("Documents").clone());
        }
        assert!(!rows.is_empty(), "{rewritten} has no rows");
        (rows, info)
    }
}
