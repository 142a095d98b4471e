//! How the host interprets a response of the handler.
//!
//! The real host reads the body with the media type formatters of ASP.NET Web API. A body that they read as null neither
//! completes nor fails the invocation, which hangs until the function timeout.

use serde_json::{Map, Value};

use super::invocation_error::InvocationError;

#[derive(Debug, PartialEq)]
pub(super) enum Outcome {
    Succeeded {
        logs: Vec<String>,
    },
    /// The host reads null, and the invocation hangs.
    Null,
}

/// A status other than 2xx fails the invocation, whatever the body.
pub(super) fn interpret(
    status: reqwest::StatusCode,
    content_type: Option<&str>,
    body: &[u8],
) -> Result<Outcome, InvocationError> {
    if !status.is_success() {
        let reason = status.canonical_reason().unwrap_or_default().to_owned();
        return Err(InvocationError::Status { status: status.as_u16(), reason });
    }
    if body.is_empty() {
        return Ok(Outcome::Null);
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
        return Ok(Outcome::Null);
    }
    match serde_json::from_slice(body) {
        Ok(Value::Null) => Ok(Outcome::Null),
        Ok(Value::Object(result)) => logs(&result).map(|logs| Outcome::Succeeded { logs }).map_err(invalid),
        Ok(_) => Err(invalid("It is not a JSON object.".to_owned())),
        Err(error) => Err(invalid(format!("It is not JSON: {error}."))),
    }
}

fn is_json(content_type: Option<&str>) -> bool {
    let media_type = content_type.unwrap_or_default().split(';').next().unwrap_or_default().trim();
    ["application/json", "text/json"].iter().any(|json| media_type.eq_ignore_ascii_case(json))
}

/// The lines of `Logs`, if the result has the shape that the host deserializes.
fn logs(result: &Map<String, Value>) -> Result<Vec<String>, String> {
    let member = |name: &str| {
        let ignoring_case = || result.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value);
        result.get(name).or_else(ignoring_case).unwrap_or(&Value::Null)
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

    use super::{InvocationError, Outcome, interpret};

    fn json(body: &str) -> Result<Outcome, InvocationError> {
        interpret(StatusCode::OK, Some("application/json; charset=utf-8"), body.as_bytes())
    }

    #[test]
    fn a_json_object_is_success() {
        assert_eq!(json("{}"), Ok(Outcome::Succeeded { logs: Vec::new() }));
        assert_eq!(json(r#"{"unknown":[1],"Logs":null,"Outputs":null}"#), Ok(Outcome::Succeeded { logs: Vec::new() }));
        let logs = vec!["a".to_owned(), "1".to_owned()];
        assert_eq!(json(r#"{"outputs":{"x":1},"logs":["a",1],"returnValue":[2]}"#), Ok(Outcome::Succeeded { logs }));
        for media_type in ["application/json", "text/json", "Application/JSON;charset=utf-8"] {
            let outcome = interpret(StatusCode::CREATED, Some(media_type), b"{}");
            assert_eq!(outcome, Ok(Outcome::Succeeded { logs: Vec::new() }), "{media_type}");
        }
    }

    #[test]
    fn an_empty_body_and_null_are_read_as_null() {
        assert_eq!(interpret(StatusCode::NO_CONTENT, None, b""), Ok(Outcome::Null));
        assert_eq!(interpret(StatusCode::OK, None, b""), Ok(Outcome::Null));
        assert_eq!(interpret(StatusCode::OK, Some("text/plain"), b""), Ok(Outcome::Null));
        assert_eq!(json(""), Ok(Outcome::Null));
        assert_eq!(json(" \r\n"), Ok(Outcome::Null));
        assert_eq!(json("null"), Ok(Outcome::Null));
    }

    #[test]
    fn every_other_response_fails_the_invocation() {
        for content_type in [Some("text/plain"), Some("application/problem+json"), None] {
            let failure = interpret(StatusCode::OK, content_type, b"{}");
            assert!(matches!(failure, Err(InvocationError::InvalidResponse { .. })), "{content_type:?}");
        }
        for body in
            ["{", "[]", "\"text\"", "1", r#"{"Logs":"a"}"#, r#"{"Logs":[{}]}"#, r#"{"Logs":{}}"#, r#"{"Outputs":[]}"#]
        {
            assert!(matches!(json(body), Err(InvocationError::InvalidResponse { .. })), "{body}");
        }
        let failure = interpret(StatusCode::BAD_REQUEST, Some("application/json"), b"{}").expect_err("a failure");
        assert_eq!(failure.to_string(), "Response status code does not indicate success: 400 (Bad Request).");
        for status in [StatusCode::FOUND, StatusCode::NOT_FOUND, StatusCode::INTERNAL_SERVER_ERROR] {
            assert!(matches!(interpret(status, None, b""), Err(InvocationError::Status { .. })), "{status}");
        }
    }
}
