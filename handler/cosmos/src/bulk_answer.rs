//! What the answer to a bulk request says about each of its items.

use std::time::Duration;

use serde::Deserialize;

use crate::container::Written;
use crate::error::NAME_CACHE_STALE;
use crate::gateway::Answer;

/// What a bulk request says about one of its items.
pub(crate) enum Settled {
    Written(Written),
    /// An item of this id exists, or one with the same unique values.
    Conflict,
    /// To be sent again after this time.
    Throttled(Option<Duration>),
    /// To be sent to another partition.
    Gone,
    /// To be written by a request of its own.
    Unsettled,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OperationResult {
    status_code: u16,
    #[serde(default)]
    request_charge: f64,
    #[serde(rename = "eTag")]
    etag: Option<String>,
    retry_after_milliseconds: Option<u64>,
}

/// What an answer says about each of the `count` items of its request.
pub(crate) fn settled(answer: &Answer, count: usize) -> Vec<Settled> {
    let all = |settled: fn(&Answer) -> Settled| (0..count).map(|_| settled(answer)).collect();
    match answer.status {
        200..=299 => {
            // An answer that cannot be read says nothing about the items.
            let results: Vec<OperationResult> = serde_json::from_slice(&answer.body).unwrap_or_default();
            if results.len() == count {
                results.into_iter().map(settled_by).collect()
            } else {
                all(|_| Settled::Unsettled)
            }
        }
        429 => all(|answer| Settled::Throttled(answer.retry_after)),
        410 if answer.sub_status != u32::from(NAME_CACHE_STALE.value()) => all(|_| Settled::Gone),
        _ => all(|_| Settled::Unsettled),
    }
}

fn settled_by(result: OperationResult) -> Settled {
    match result.status_code {
        status @ 200..=299 => {
            let (request_charge, created) = (result.request_charge, status == 201);
            Settled::Written(Written { request_charge, created, etag: result.etag })
        }
        409 => Settled::Conflict,
        429 | 449 => Settled::Throttled(result.retry_after_milliseconds.map(Duration::from_millis)),
        410 => Settled::Gone,
        _ => Settled::Unsettled,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, body: &str) -> Answer {
        let body = body.as_bytes().to_vec();
        Answer { status, sub_status: 0, charge: 0.0, retry_after: None, continuation: None, session_token: None, body }
    }

    #[test]
    fn each_item_of_a_request_is_answered_for_itself() {
        let name = |settled: &Settled| match settled {
            Settled::Written(Written { created: true, .. }) => "created",
            Settled::Written(_) => "replaced",
            Settled::Conflict => "conflict",
            Settled::Throttled(_) => "throttled",
            Settled::Gone => "gone",
            Settled::Unsettled => "unsettled",
        };
        let names = |answer: &Answer, count| settled(answer, count).iter().map(name).collect::<Vec<_>>();
        let statuses = [201, 200, 409, 429, 449, 410, 400, 413, 403, 500, 503];
        let results: Vec<_> = statuses.iter().map(|status| serde_json::json!({"statusCode": status})).collect();
        let found = names(&answer(207, &serde_json::Value::from(results).to_string()), statuses.len());
        let rest = ["unsettled"; 5];
        assert_eq!(found, [&["created", "replaced", "conflict", "throttled", "throttled", "gone"][..], &rest].concat());
        assert_eq!(names(&answer(200, r#"[{"statusCode":201}]"#), 2), ["unsettled"; 2]);
        assert_eq!(names(&answer(200, "[{"), 1), ["unsettled"]);
        assert_eq!(names(&answer(429, ""), 2), ["throttled"; 2]);
        assert_eq!(names(&answer(410, ""), 2), ["gone"; 2]);
        let of_another = Answer { sub_status: 1000, ..answer(410, "") };
        assert_eq!(names(&of_another, 2), ["unsettled"; 2], "the container is another one by now");
        assert_eq!(names(&answer(503, ""), 2), ["unsettled"; 2]);
    }
}
