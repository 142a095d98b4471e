//! Queries with ORDER BY that the SDK continues from a token: it sends the query again, with the value and the document of the last row.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use serde_json::{Value, json};

use super::{CONTAINER, DOCS, RANGE, Scene, UPSERT};
use crate::dotnet_replay::{Range, ranges_of};

const ITEMS: usize = 240;
/// The rows of a page of the merged result, and those that a range gives at once.
const PAGE: usize = 20;
const PAGE_OF_RANGE: &str = "13";

/// A row of a range: its value of ORDER BY as a resumeFilter has it, the resource id of its document, and the document's id.
#[derive(Clone, Debug)]
struct Row {
    value: Value,
    rid: String,
    id: String,
}

/// The last row of the result so far, and the range that it is of.
struct Last {
    row: Row,
    range: Range,
}

/// Where a value is in the order of types and values.
fn place(value: &Value) -> (u8, u64) {
    match value {
        Value::Array(_) => (0, 0),
        Value::Null => (1, 0),
        value => (2, value.as_u64().expect("a number")),
    }
}

/// Merges the rows of the ranges as `OrderByCrossPartitionQueryPipelineStage` of the SDK does: rows with equal values come by ranges.
struct Client<'s> {
    scene: &'s Scene,
    text: String,
    is_descending: bool,
    last: Option<Last>,
    /// The rows after which the parts of a range that was split continue, until they have given rows of their own.
    split_at: HashMap<String, Row>,
}

impl Client<'_> {
    async fn ranges(&self) -> Vec<Range> {
        ranges_of(&self.scene.get(&format!("{CONTAINER}/pkranges"), &[]).await.json())
    }

    /// The resumeFilter for a range, and the document whose row has been returned already.
    fn resume(&self, range: &Range) -> (Option<Value>, Option<&str>) {
        let Some(last) = &self.last else { return (None, None) };
        let after = |row: &Row| json!({"value": [row.value], "rid": row.rid, "exclude": false});
        if let Some(row) = self.split_at.get(&range.id).filter(|row| row.value == last.row.value) {
            return (Some(after(row)), Some(&row.rid));
        }
        if range.id == last.range.id {
            return (Some(after(&last.row)), Some(&last.row.rid));
        }
        let is_done_with_value = range.min < last.range.min;
        (Some(json!({"value": [last.row.value], "exclude": is_done_with_value})), None)
    }

    /// The next rows of a range, enough for a page, read in smaller pages.
    async fn rows_of(&self, range: &Range) -> Vec<Row> {
        let (filter, done) = self.resume(range);
        let mut body = json!({"query": self.text});
        if let Some(filter) = filter {
            body["resumeFilter"] = filter;
        }
        let mut rows = Vec::new();
        let mut continuation: Option<String> = None;
        loop {
            let mut pairs = vec![
                (RANGE, range.id.as_str()),
                ("x-ms-max-item-count", PAGE_OF_RANGE),
                ("x-ms-documentdb-isquery", "True"),
                ("content-type", "application/query+json"),
            ];
            pairs.extend(continuation.as_deref().map(|continuation| ("x-ms-continuation", continuation)));
            let answer = self.scene.succeed("POST", DOCS, &pairs, &body).await;
            for row in answer.json()["Documents"].as_array().expect("Documents") {
                let row = Row {
                    value: row["orderByItems"][0].get("item").cloned().unwrap_or(json!([])),
                    rid: row["_rid"].as_str().expect("a resource id").to_owned(),
                    id: row["payload"]["id"].as_str().expect("an id").to_owned(),
                };
                if Some(row.rid.as_str()) != done {
                    rows.push(row);
                }
            }
            continuation = answer.header("x-ms-continuation").map(str::to_owned);
            if continuation.is_none() || rows.len() >= PAGE {
                return rows;
            }
        }
    }

    /// The next page of the merged result.
    async fn page(&mut self) -> Vec<Row> {
        let mut found = Vec::new();
        for range in self.ranges().await {
            found.extend(self.rows_of(&range).await.into_iter().map(|row| (range.clone(), row)));
        }
        // Stable: equal values remain in the order of the ranges, and of the rows in them.
        found.sort_by(|(_, a), (_, b)| {
            let order = place(&a.value).cmp(&place(&b.value));
            if self.is_descending { order.reverse() } else { order }
        });
        found.truncate(PAGE);
        for (range, row) in &found {
            self.split_at.remove(&range.id);
            self.last = Some(Last { row: row.clone(), range: range.clone() });
        }
        found.into_iter().map(|(_, row)| row).collect()
    }

    /// Splits the range of the last row.
    async fn split(&mut self) {
        let Some(last) = &self.last else { panic!("nothing was read") };
        let (row, old) = (last.row.clone(), self.ranges().await);
        self.scene.endpoint.split("db", "c", Some(&last.range.id), Duration::ZERO).await.expect("a split");
        let new = self.ranges().await.into_iter().filter(|range| old.iter().all(|old| old.id != range.id));
        self.split_at = new.map(|range| (range.id, row.clone())).collect();
        assert_eq!(self.split_at.len(), 2);
    }
}

#[tokio::test]
async fn an_order_that_is_continued_across_a_split_has_every_row_once() {
    let scene = Scene::start().await;
    for number in 0..ITEMS {
        let mut item = json!({"id": format!("{number:03}"), "pk": format!("p{}", number % 24)});
        match number % 10 {
            3 => item["n"] = Value::Null,
            7 => {}
            _ => item["n"] = json!(number * 37 % 23),
        }
        let key = json!([item["pk"]]).to_string();
        scene.succeed("POST", DOCS, &[(super::KEY, &key), UPSERT], &item).await;
    }
    for direction in ["ASC", "DESC"] {
        // The range of the last row is split each time, also within equal values and within those of missing properties.
        for split_after in [1, 3, 6] {
            let info = scene.plan(&format!("SELECT c.id FROM c ORDER BY c.n {direction}")).await;
            let text = info["rewrittenQuery"].as_str().expect("a text");
            let mut client = Client {
                scene: &scene,
                text: text.replace("{documentdb-formattableorderbyquery-filter}", "true"),
                is_descending: direction == "DESC",
                last: None,
                split_at: HashMap::new(),
            };
            let mut rows: Vec<Row> = Vec::new();
            for page in 1.. {
                let next = client.page().await;
                if next.is_empty() {
                    break;
                }
                rows.extend(next);
                assert!(rows.len() <= ITEMS, "{direction}: rows were returned twice");
                if page == split_after {
                    client.split().await;
                }
            }
            let ids: HashSet<&str> = rows.iter().map(|row| row.id.as_str()).collect();
            assert_eq!((rows.len(), ids.len()), (ITEMS, ITEMS), "{direction}, split after page {split_after}");
            let mut places: Vec<(u8, u64)> = rows.iter().map(|row| place(&row.value)).collect();
            if direction == "DESC" {
                places.reverse();
            }
            assert!(places.is_sorted(), "{direction}, split after page {split_after}: {places:?}");
        }
    }
}
