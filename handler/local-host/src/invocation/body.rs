//! The body of an invocation: the trigger's data, encoded three times, and its metadata.

use chrono::Utc;
use serde_json::{Value, json};
use uuid::Uuid;

use super::invocation_error::InvocationError;
use crate::app::RetryPolicy;
use crate::newtonsoft;

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

/// The value of `Data.<binding>`: a JSON string that holds a JSON string that holds the array of documents.
pub(super) fn trigger_data(documents: &[Value]) -> Value {
    let documents: Vec<String> = documents.iter().map(newtonsoft::change_to_json).collect();
    let array = format!("[{}]", documents.join(","));
    Value::String(Value::String(array).to_string())
}

pub(super) fn body(function: &str, binding: &str, data: &Value, retry: Option<&RetryContext>) -> String {
    let mut metadata = json!({"sys": {
        "MethodName": function,
        "UtcNow": newtonsoft::utc(Utc::now()),
        "RandGuid": Uuid::new_v4().to_string(),
    }});
    if let Some(retry) = retry {
        metadata["RetryContext"] = json!({
            "RetryCount": retry.retry_count,
            "MaxRetryCount": retry.policy.max_retry_count.map_or(-1, i64::from),
            "Exception": retry.exception.as_ref().map(InvocationError::exception),
            "Instance": null,
            "State": {},
        });
    }
    json!({"Data": {binding: data}, "Metadata": metadata}).to_string()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{body, trigger_data};

    #[test]
    fn documents_are_encoded_three_times() {
        let documents = [json!({"id": "1", "pk": "a", "_ts": 1_700_000_000, "_lsn": 7})];
        let body = body("OnChange", "documents", &trigger_data(&documents), None);
        let start = r#"{"Data":{"documents":"\"[{\\\"id\\\":\\\"1\\\",\\\"pk\\\":\\\"a\\\",\\\"_ts\\\":1700000000,\\\"_lsn\\\":7}]\""},"Metadata":{"sys":{"MethodName":"OnChange","UtcNow":""#;
        assert!(body.starts_with(start), "{body}");
        let read: Value = serde_json::from_str(&body).expect("JSON");
        assert!(read["Metadata"].get("RetryContext").is_none());
        assert_eq!(read["Metadata"]["sys"]["RandGuid"].as_str().map(str::len), Some(36));
        assert!(read["Metadata"]["sys"]["UtcNow"].as_str().is_some_and(|now| now.ends_with('Z')));
    }
}
