//! The body of an invocation: the trigger's data and its metadata.

use chrono::Utc;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::exception::exception;
use super::invocation_error::InvocationError;
use crate::app::RetryPolicy;
use crate::newtonsoft;

/// What the trigger passes to the function.
#[derive(Clone, Debug, Default)]
pub(crate) struct TriggerData {
    /// The value of `Data.<binding>`.
    pub value: Value,
    /// What the trigger adds to `Metadata`.
    pub metadata: Map<String, Value>,
}

impl TriggerData {
    /// A text is encoded: `Data.<binding>` is a JSON string that holds a JSON string.
    pub(crate) fn from_text(text: &str) -> Self {
        Self::from_value(Value::String(newtonsoft::text_to_json(text)))
    }

    pub(crate) fn from_value(value: Value) -> Self {
        Self { value, metadata: Map::new() }
    }
}

/// The attempt, as the handler sees it. Sent only under a retry policy.
#[derive(Clone, Debug)]
pub(super) struct RetryContext {
    pub policy: RetryPolicy,
    pub retry_count: u32,
    /// The error of the previous attempt.
    pub exception: Option<InvocationError>,
}

impl RetryContext {
    pub(super) fn first(policy: RetryPolicy) -> Self {
        Self { policy, retry_count: 0, exception: None }
    }
}

pub(super) fn body(
    function: &str,
    id: Uuid,
    binding: &str,
    data: &TriggerData,
    retry: Option<&RetryContext>,
) -> String {
    let mut metadata = data.metadata.clone();
    metadata.insert(
        "sys".to_owned(),
        json!({
            "MethodName": function,
            "UtcNow": newtonsoft::utc(Utc::now()),
            "RandGuid": Uuid::new_v4().to_string(),
        }),
    );
    if let Some(retry) = retry {
        let context = json!({
            "RetryCount": retry.retry_count,
            "MaxRetryCount": retry.policy.max_retry_count.map_or(-1, i64::from),
            "Exception": retry.exception.as_ref().map(|error| exception(error, function, id)),
            "Instance": null,
            "State": {},
        });
        metadata.insert("RetryContext".to_owned(), context);
    }
    newtonsoft::verbatim_to_json(&json!({"Data": {binding: data.value}, "Metadata": metadata}))
}

#[cfg(test)]
mod tests {
    use serde_json::Value;
    use uuid::Uuid;

    use super::{TriggerData, body};

    #[test]
    fn a_batch_is_encoded_three_times() {
        let batch = r#"[{"id":"1","pk":"a","_ts":1700000000,"_lsn":7}]"#;
        let body = body("OnChange", Uuid::nil(), "documents", &TriggerData::from_text(batch), None);
        let start = r#"{"Data":{"documents":"\"[{\\\"id\\\":\\\"1\\\",\\\"pk\\\":\\\"a\\\",\\\"_ts\\\":1700000000,\\\"_lsn\\\":7}]\""},"Metadata":{"sys":{"MethodName":"OnChange","UtcNow":""#;
        assert!(body.starts_with(start), "{body}");
        let read: Value = serde_json::from_str(&body).expect("JSON");
        assert!(read["Metadata"].get("RetryContext").is_none());
        assert_eq!(read["Metadata"]["sys"]["RandGuid"].as_str().map(str::len), Some(36));
        assert!(read["Metadata"]["sys"]["UtcNow"].as_str().is_some_and(|now| now.ends_with('Z')));
    }
}
