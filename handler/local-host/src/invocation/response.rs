//! What an answer of the handler means.
//!
//! The real host reads the body with the media type formatters of ASP.NET Web API. An answer that they read as null has
//! no consequence at all: the invocation goes on until the function timeout.

use serde_json::{Map, Value};

use super::error::InvocationError;

#[derive(Debug, PartialEq)]
pub(super) enum Verdict {
    Succeeded {
        logs: Vec<String>,
    },
    /// The host learns nothing and waits on.
    Nothing,
}

/// Judges an answer. Statuses other than 2xx fail, whatever the body.
pub(super) fn judge(
    status: reqwest::StatusCode,
    content_type: Option<&str>,
    body: &[u8],
) -> Result<Verdict, InvocationError> {
    if !status.is_success() {
        let reason = status.canonical_reason().unwrap_or_default().to_owned();
        return Err(InvocationError::Status { status: status.as_u16(), reason });
    }
    if body.is_empty() {
        return Ok(Verdict::Nothing);
    }
    let invalid = |problem: String| InvocationError::InvalidResponse {
        problem,
        body: String::from_utf8_lossy(body).into_owned(),
    };
    if !is_json(content_type) {
        let media_type = content_type.unwrap_or("application/octet-stream");
        return Err(invalid(format!(
            "No MediaTypeFormatter is available to read content with media type '{media_type}'."
        )));
    }
    if body.iter().all(u8::is_ascii_whitespace) {
        return Ok(Verdict::Nothing);
    }
    match serde_json::from_slice(body) {
        Ok(Value::Null) => Ok(Verdict::Nothing),
        Ok(Value::Object(result)) => logs(&result).map(|logs| Verdict::Succeeded { logs }).map_err(invalid),
        Ok(_) => Err(invalid("It is not a JSON object.".to_owned())),
        Err(error) => Err(invalid(format!("It is not JSON: {error}."))),
    }
}

fn is_json(content_type: Option<&str>) -> bool {
    let media_type = content_type.unwrap_or_default().split(';').next().unwrap_or_default().trim();
    ["application/json", "text/json"].iter().any(|json| media_type.eq_ignore_ascii_case(json))
}

/// The lines of `Logs`, if the result is of the shape that the host deserializes.
fn logs(result: &Map<String, Value>) -> Result<Vec<String>, String> {
    let member = |name: &str| {
        let of_any_case = || result.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value);
        result.get(name).or_else(of_any_case).unwrap_or(&Value::Null)
    };
    if !matches!(member("Outputs"), Value::Null | Value::Object(_)) {
        return Err("Outputs is not an object.".to_owned());
    }
    let line = |value: &Value| match value {
        Value::String(text) => Ok(text.clone()),
        Value::Null => Ok(String::new()),
        Value::Object(_) | Value::Array(_) => Err("Logs holds something else than text.".to_owned()),
        other => Ok(other.to_string()),
    };
    match member("Logs") {
        Value::Null => Ok(Vec::new()),
        Value::Array(lines) => lines.iter().map(line).collect(),
        _ => Err("Logs is not an array.".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use reqwest::StatusCode;

    use super::{InvocationError, Verdict, judge};

    fn json(body: &str) -> Result<Verdict, InvocationError> {
        judge(StatusCode::OK, Some("application/json; charset=utf-8"), body.as_bytes())
    }

    #[test]
    fn a_json_object_is_success() {
        assert_eq!(json("{}"), Ok(Verdict::Succeeded { logs: Vec::new() }));
        assert_eq!(json(r#"{"unknown":[1],"Logs":null,"Outputs":null}"#), Ok(Verdict::Succeeded { logs: Vec::new() }));
        let logs = vec!["a".to_owned(), "1".to_owned()];
        assert_eq!(json(r#"{"outputs":{"x":1},"logs":["a",1],"returnValue":[2]}"#), Ok(Verdict::Succeeded { logs }));
        for media_type in ["application/json", "text/json", "Application/JSON;charset=utf-8"] {
            let verdict = judge(StatusCode::CREATED, Some(media_type), b"{}");
            assert_eq!(verdict, Ok(Verdict::Succeeded { logs: Vec::new() }), "{media_type}");
        }
    }

    #[test]
    fn an_empty_answer_and_null_mean_nothing() {
        assert_eq!(judge(StatusCode::NO_CONTENT, None, b""), Ok(Verdict::Nothing));
        assert_eq!(judge(StatusCode::OK, None, b""), Ok(Verdict::Nothing));
        assert_eq!(judge(StatusCode::OK, Some("text/plain"), b""), Ok(Verdict::Nothing));
        assert_eq!(json(""), Ok(Verdict::Nothing));
        assert_eq!(json(" \r\n"), Ok(Verdict::Nothing));
        assert_eq!(json("null"), Ok(Verdict::Nothing));
    }

    #[test]
    fn everything_else_is_a_failure() {
        for content_type in [Some("text/plain"), Some("application/problem+json"), None] {
            let failure = judge(StatusCode::OK, content_type, b"{}");
            assert!(matches!(failure, Err(InvocationError::InvalidResponse { .. })), "{content_type:?}");
        }
        for body in
            ["{", "[]", "\"text\"", "1", r#"{"Logs":"a"}"#, r#"{"Logs":[{}]}"#, r#"{"Logs":{}}"#, r#"{"Outputs":[]}"#]
        {
            assert!(matches!(json(body), Err(InvocationError::InvalidResponse { .. })), "{body}");
        }
        let failure = judge(StatusCode::BAD_REQUEST, Some("application/json"), b"{}").expect_err("a failure");
        assert_eq!(failure.to_string(), "Response status code does not indicate success: 400 (Bad Request).");
        for status in [StatusCode::FOUND, StatusCode::NOT_FOUND, StatusCode::INTERNAL_SERVER_ERROR] {
            assert!(matches!(judge(status, None, b""), Err(InvocationError::Status { .. })), "{status}");
        }
    }
}
