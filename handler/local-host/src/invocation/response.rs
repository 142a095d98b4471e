//! How the host interprets a response of the handler.
//!
//! The real host reads the body with the media type formatters of ASP.NET Web API. A body that they read as null neither
//! completes nor fails the invocation, which hangs until the function timeout. What follows the first JSON value is ignored.

use std::collections::BTreeMap;

use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::invalid_response::{InvalidResponse, LOGS_TYPE, OUTPUTS_TYPE, Position, Problem, RESULT_TYPE};
use super::invocation_error::InvocationError;
use crate::wire::WireResponse;

/// How the host logs a line that is null.
const NULL_LINE: &str = "[null]";
const ASSUMED_MEDIA_TYPE: &str = "application/octet-stream";

#[derive(Debug, PartialEq)]
pub(super) enum Outcome {
    Succeeded(InvocationResult),
    /// The host reads null, and the invocation hangs.
    Null,
}

/// What a function that succeeded returns.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct InvocationResult {
    /// By name of the binding; `None` if there is no such member.
    pub outputs: Option<Map<String, Value>>,
    pub return_value: Value,
    pub logs: Vec<String>,
}

/// A status other than 2xx fails the invocation, whatever the body.
pub(super) fn interpret(response: &WireResponse) -> Result<Outcome, InvocationError> {
    if !(200..300).contains(&response.status) {
        return Err(InvocationError::Status { status: response.status, reason: response.reason.clone() });
    }
    if response.body.is_empty() {
        return Ok(Outcome::Null);
    }
    let text = String::from_utf8_lossy(&response.body);
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    read(response.header("Content-Type"), text).map_err(|problem| {
        let invalid = InvalidResponse { head: head(response), body: text.to_owned(), problem };
        InvocationError::InvalidResponse(Box::new(invalid))
    })
}

fn head(response: &WireResponse) -> String {
    let headers: String = response.headers.iter().map(|(name, value)| format!("  {name}: {value}\n")).collect();
    format!(
        "StatusCode: {}, ReasonPhrase: '{}', Version: 1.1, Content: System.Net.Http.HttpConnectionResponseContent, Headers:\n{{\n{headers}}}",
        response.status, response.reason
    )
}

fn read(content_type: Option<&str>, text: &str) -> Result<Outcome, Problem> {
    require_json(content_type)?;
    let first = serde_json::Deserializer::from_str(text).into_iter::<&RawValue>().next();
    let value = match first {
        None => return Ok(Outcome::Null),
        Some(Ok(value)) => value,
        Some(Err(error)) if error.is_eof() => return Err(Problem::UnexpectedEnd(Position::after(text))),
        Some(Err(error)) => return Err(Problem::Syntax(format!("Error parsing JSON: {error}."))),
    };
    if value.get() == "null" {
        return Ok(Outcome::Null);
    }
    if !value.get().starts_with('{') {
        return Err(unexpected(value, RESULT_TYPE, "", text));
    }
    let members: BTreeMap<String, &RawValue> = parsed(value)?;
    let member = |name: &str| {
        let ignoring_case = || members.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| *value);
        members.get(name).copied().or_else(ignoring_case).filter(|value| value.get() != "null")
    };
    let outputs = match member("Outputs") {
        None => None,
        Some(outputs) if outputs.get().starts_with('{') => Some(parsed(outputs)?),
        Some(other) => return Err(unexpected(other, OUTPUTS_TYPE, "Outputs", text)),
    };
    let logs = match member("Logs") {
        None => Vec::new(),
        Some(logs) if logs.get().starts_with('[') => {
            let lines: Vec<&RawValue> = parsed(logs)?;
            lines.into_iter().map(|line| log_line(line, text)).collect::<Result<_, _>>()?
        }
        Some(other) => return Err(unexpected(other, LOGS_TYPE, "Logs", text)),
    };
    let return_value = member("ReturnValue").map(parsed).transpose()?.unwrap_or_default();
    Ok(Outcome::Succeeded(InvocationResult { outputs, return_value, logs }))
}

fn parsed<'a, T: serde::Deserialize<'a>>(value: &'a RawValue) -> Result<T, Problem> {
    serde_json::from_str(value.get()).map_err(|error| Problem::Syntax(format!("Error parsing JSON: {error}.")))
}

fn require_json(content_type: Option<&str>) -> Result<(), Problem> {
    let mut parts = content_type.unwrap_or_default().split(';').map(str::trim);
    let declared = parts.next().filter(|media_type| media_type.contains('/'));
    let media_type = declared.unwrap_or(ASSUMED_MEDIA_TYPE);
    if ["application/json", "text/json"].iter().any(|json| media_type.eq_ignore_ascii_case(json)) {
        return Ok(());
    }
    let charset = parts.find_map(|parameter| parameter.strip_prefix("charset=")).map(str::to_owned);
    Err(Problem::MediaType { media_type: media_type.to_owned(), charset: charset.filter(|_| declared.is_some()) })
}

fn log_line(line: &RawValue, text: &str) -> Result<String, Problem> {
    match parsed(line)? {
        Value::String(line) => Ok(line),
        Value::Null => Ok(NULL_LINE.to_owned()),
        Value::Object(_) | Value::Array(_) => {
            let first = line.get().get(..1).unwrap_or_default();
            let position = position(line, text, 1);
            Err(Problem::Syntax(format!(
                "Unexpected character encountered while parsing value: {first}. Path 'Logs', {position}."
            )))
        }
        other => Ok(other.to_string()),
    }
}

/// `value` has not the type `to`.
fn unexpected(value: &RawValue, to: &'static str, path: &'static str, text: &str) -> Problem {
    let cannot = |found: &str, example: &str, required: &str, required_example: &str| {
        Problem::Array(format!(
            "Cannot deserialize the current JSON {found} (e.g. {example}) into type '{to}' because the type requires a JSON {required} (e.g. {required_example}) to deserialize correctly."
        ))
    };
    let (array, object) = ("[1,2,3]", "{\"name\":\"value\"}");
    let (shown, from) = match serde_json::from_str(value.get()) {
        Ok(Value::Array(_)) => return cannot("array", array, "object", object),
        Ok(Value::Object(_)) => return cannot("object", object, "array", array),
        Ok(Value::Bool(flag)) => ((if flag { "True" } else { "False" }).to_owned(), "System.Boolean"),
        Ok(Value::Number(number)) if number.is_f64() => (number.to_string(), "System.Double"),
        Ok(Value::Number(number)) => (number.to_string(), "System.Int64"),
        Ok(Value::String(text)) => (format!("\"{text}\""), "System.String"),
        Ok(Value::Null) | Err(_) => ("{null}".to_owned(), "System.Object"),
    };
    Problem::Conversion { value: shown, from, to, path, position: position(value, text, value.get().len()) }
}

/// The position in `text` after the first bytes of `value`, which is a part of it.
fn position(value: &RawValue, text: &str, bytes: usize) -> Position {
    let start = (value.get().as_ptr() as usize).saturating_sub(text.as_ptr() as usize);
    Position::after(text.get(..start + bytes).unwrap_or(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(status: u16, content_type: Option<&str>, body: &str) -> Result<Outcome, InvocationError> {
        let headers = content_type.map(|value| ("Content-Type".to_owned(), value.to_owned())).into_iter().collect();
        let body = body.as_bytes().to_vec();
        interpret(&WireResponse { status, reason: "Odd".to_owned(), headers, body, reusable: true })
    }

    fn json(body: &str) -> Result<Outcome, InvocationError> {
        outcome(200, Some("application/json; charset=utf-8"), body)
    }

    fn problem(result: Result<Outcome, InvocationError>) -> String {
        match result {
            Err(InvocationError::InvalidResponse(invalid)) => invalid.problem.to_string(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_json_object_is_success_whatever_follows_it() {
        let nothing = || Ok(Outcome::Succeeded(InvocationResult::default()));
        for body in ["{}", r#"{"unknown":[1],"Logs":null,"Outputs":null}"#, "{}{}", "{} x", "\u{feff}{}"] {
            assert_eq!(json(body), nothing(), "{body}");
        }
        for media_type in ["application/json", "text/json", "Application/JSON;charset=nope"] {
            assert_eq!(outcome(201, Some(media_type), "{}"), nothing(), "{media_type}");
        }
    }

    #[test]
    fn members_are_found_in_any_case() {
        let Ok(Outcome::Succeeded(result)) = json(r#"{"outputs":{"x":1},"logs":["a",1,null],"returnValue":[2]}"#)
        else {
            panic!("no success")
        };
        assert_eq!(result.logs, ["a", "1", "[null]"]);
        let outputs = result.outputs.expect("outputs");
        assert_eq!((&outputs["x"], result.return_value.to_string().as_str()), (&Value::from(1), "[2]"));
    }

    #[test]
    fn an_empty_body_and_null_are_read_as_null() {
        assert_eq!(outcome(204, None, ""), Ok(Outcome::Null));
        assert_eq!(outcome(200, None, ""), Ok(Outcome::Null));
        assert_eq!(outcome(200, Some("text/plain"), ""), Ok(Outcome::Null));
        for body in ["", " \r\n", "null"] {
            assert_eq!(json(body), Ok(Outcome::Null), "{body}");
        }
    }

    #[test]
    fn an_invalid_response_fails_the_invocation_and_says_where() {
        let media_type = |content_type| problem(outcome(200, content_type, "{}"));
        assert!(media_type(Some("text/plain")).contains("media type 'text/plain'"));
        assert!(media_type(Some("application/problem+json")).contains("media type 'application/problem+json'"));
        assert!(media_type(None).contains("media type 'application/octet-stream'"));
        assert!(media_type(Some("json")).contains("media type 'application/octet-stream'"));
        for (body, expected) in [
            ("{", "Unexpected end when reading JSON. Path '', line 1, position 1."),
            ("{\n \"Logs\":\n  7}", "Path 'Logs', line 3, position 3."),
            (
                r#"{"Logs": "x"}"#,
                "Error converting value \"x\" to type 'System.Collections.Generic.List`1[System.String]'. Path 'Logs', line 1, position 12.",
            ),
            (r#"{"Outputs": "x"}"#, "Path 'Outputs', line 1, position 15."),
            (
                r#"{"Logs": [{"a": 1}]}"#,
                "Unexpected character encountered while parsing value: {. Path 'Logs', line 1, position 11.",
            ),
            (r#"{"Outputs":[1]}"#, "Cannot deserialize the current JSON array (e.g. [1,2,3]) into type"),
            (r#"{"Logs":{}}"#, "because the type requires a JSON array"),
            ("[]", "into type 'Microsoft.Azure.WebJobs.Script.Workers.Http.HttpScriptInvocationResult'"),
            ("false", "Error converting value False"),
            ("1", "Path '', line 1, position 1."),
            ("{x", "Error parsing JSON"),
        ] {
            let problem = problem(json(body));
            assert!(problem.contains(expected), "{body}: {problem}");
        }
    }

    #[test]
    fn another_status_fails_the_invocation_with_the_handlers_reason() {
        let failure = outcome(400, Some("application/json"), "{}").expect_err("a failure");
        assert_eq!(failure.to_string(), "Response status code does not indicate success: 400 (Odd).");
        for status in [302, 304, 404, 500] {
            assert!(matches!(outcome(status, None, ""), Err(InvocationError::Status { .. })), "{status}");
        }
    }
}
