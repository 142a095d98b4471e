//! Query plans, by which SDKs send a query to the partitions and merge their results.

use query_engine::{KeyFilter, Query, QueryError};
use serde_json::{Value, json};

use super::request;
use crate::container::Container;
use crate::incoming::Incoming;
use crate::partition_key::{EffectiveKey, KeyRange, KeyValue};
use crate::reply::{Reply, header};

/// The answer to a request for a plan.
pub(crate) fn answer(container: &Container, incoming: &Incoming) -> Reply {
    let planned = request::read(container, incoming).and_then(|(_, query)| {
        check_features(container, incoming, &query)?;
        plan(container, &query)
    });
    match planned {
        Ok(plan) => {
            let mut reply = container.reply(200).with(header::REQUEST_CHARGE, "1");
            reply.body = plan.to_string().into_bytes();
            reply
        }
        Err(refusal) => refusal,
    }
}

/// Refuses a plan that the client cannot execute: it would merge wrongly, or fail in another way.
fn check_features(container: &Container, incoming: &Incoming, query: &Query) -> Result<(), Reply> {
    let Some(supported) = incoming.header("x-ms-cosmos-supported-query-features") else { return Ok(()) };
    let refusal = |error: QueryError| request::refusal(container, &error);
    let needed = match query.hybrid_plan().map_err(refusal)? {
        Some(hybrid) => hybrid.features(),
        None => query.plan().map_err(refusal)?.features(),
    };
    let supported: Vec<&str> = supported.split(',').map(str::trim).collect();
    let missing: Vec<&str> = needed.into_iter().filter(|needed| !supported.contains(needed)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let missing: Vec<String> = missing
        .iter()
        .map(|missing| format!("Query contained {missing}, which the calling client does not support."))
        .collect();
    let message = format!(
        "Query contains 1 or more unsupported features. Upgrade your SDK to a version that does support the requested features:\n{}",
        missing.join("\n")
    );
    Err(container.error(400, "BadRequest", &message))
}

/// The plan of a query in this container.
pub(super) fn plan(container: &Container, query: &Query) -> Result<Value, Reply> {
    let refusal = |error: QueryError| request::refusal(container, &error);
    // Of the two kinds of plans a client takes one only.
    let (info, hybrid) = match query.hybrid_plan().map_err(refusal)? {
        Some(hybrid) => (Value::Null, json!(hybrid)),
        None => (json!(query.plan().map_err(refusal)?), Value::Null),
    };
    let ranges: Vec<Value> = ranges(container, query)
        .into_iter()
        .map(|(min, max, is_max_inclusive)| {
            json!({
                "min": min.to_string(),
                "max": max.to_string(),
                "isMinInclusive": true,
                "isMaxInclusive": is_max_inclusive,
            })
        })
        .collect();
    Ok(json!({
        "partitionedQueryExecutionInfoVersion": 2,
        "queryInfo": info,
        "queryRanges": ranges,
        "hybridSearchQueryInfo": hybrid,
    }))
}

/// The parts of the key space in which the query can have results: the bounds, and whether the upper one belongs to it.
fn ranges(container: &Container, query: &Query) -> Vec<(EffectiveKey, EffectiveKey, bool)> {
    let Some(keys) = keys(container, query) else {
        return vec![(EffectiveKey::smallest(), EffectiveKey::largest(), false)];
    };
    let mut ranges: Vec<_> = keys
        .into_iter()
        .map(|values| {
            let is_complete = values.len() == container.key().paths.len();
            let range = KeyRange::of(&values, container.key());
            let max = if is_complete { range.min.clone() } else { range.max };
            (range.min, max, is_complete)
        })
        .collect();
    ranges.sort();
    ranges.dedup();
    ranges
}

/// The partition keys, or their prefixes, to which the query limits its results; `None` for any.
fn keys(container: &Container, query: &Query) -> Option<Vec<Vec<KeyValue>>> {
    let paths: Vec<Vec<String>> = container.key().paths.iter().map(|path| path.segments().to_vec()).collect();
    let KeyFilter::Values(keys) = query.key_values(&paths) else { return None };
    let key = |values: &Vec<Value>| values.iter().map(KeyValue::from_json).collect::<Result<Vec<_>, _>>().ok();
    keys.iter().map(key).collect()
}

/// The part of the key space of a query that is limited to one partition key or prefix.
pub(super) fn only_range(container: &Container, query: &Query) -> Option<KeyRange> {
    let mut keys = keys(container, query)?;
    (keys.len() == 1).then(|| KeyRange::of(&keys.remove(0), container.key()))
}
