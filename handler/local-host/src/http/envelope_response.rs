//! What a function without proxying answers to a client: the value of its HTTP output.

use std::convert::Infallible;

use actix_web::body::{self, BodyStream};
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder};
use serde_json::{Map, Value};

use super::forward::{SERVER, failed, known_reason};
use crate::invocation::InvocationResult;
use crate::newtonsoft::{self, TimeZone};

/// The name of an output that is the value which the function returns.
const RETURN: &str = "$return";
const PLAIN_TEXT: &str = "text/plain";

/// The value of the output cannot be an HTTP response.
#[derive(Debug, thiserror::Error)]
enum InvalidOutput {
    #[error("the output is {0}; use an object with statusCode, headers and body")]
    NoObject(Value),
    #[error("statusCode is {0}; use a number from 100 to 999")]
    Status(Value),
    #[error("the header {name} is {value}; use a text")]
    Header { name: String, value: Value },
}

/// An output that cannot be a response is answered with 500, as by the real host.
pub(super) fn response(
    request: &HttpRequest,
    function: &str,
    output: &str,
    result: &InvocationResult,
    zone: TimeZone,
) -> HttpResponse {
    let is_head = request.method() == "HEAD";
    let answer = match output {
        RETURN => match &result.return_value {
            Value::Null => Ok(no_content()),
            Value::String(text) => Ok(text_response(text, is_head)),
            value => of_output(value, is_head, zone),
        },
        _ => match (&result.outputs, result.outputs.as_ref().and_then(|outputs| outputs.get(output))) {
            (None, _) => Ok(no_content()),
            (Some(_), None) => Ok(text_response("{}", is_head)),
            (Some(_), Some(value)) => of_output(value, is_head, zone),
        },
    };
    answer.unwrap_or_else(|error| {
        log::error!("function {function} has an invalid output {output}: {error}");
        failed()
    })
}

fn no_content() -> HttpResponse {
    HttpResponse::NoContent().insert_header(SERVER).finish()
}

fn text_response(text: &str, is_head: bool) -> HttpResponse {
    with_body(&mut HttpResponse::Ok(), PLAIN_TEXT, text.to_owned(), is_head)
}

fn of_output(output: &Value, is_head: bool, zone: TimeZone) -> Result<HttpResponse, InvalidOutput> {
    let no_object = || InvalidOutput::NoObject(output.clone());
    let output = match output {
        Value::Object(members) => members.clone(),
        Value::String(text) => serde_json::from_str(text).map_err(|_| no_object())?,
        _ => return Err(no_object()),
    };
    let status = status(&output)?;
    let mut builder = HttpResponse::build(status);
    if let (None, Some(empty)) = (status.canonical_reason(), known_reason("")) {
        builder.reason(empty);
    }
    let mut content_type = None;
    for (name, value) in member(&output, "headers").and_then(Value::as_object).into_iter().flatten() {
        let invalid = || InvalidOutput::Header { name: name.clone(), value: value.clone() };
        let text = match value {
            Value::String(text) => text.clone(),
            Value::Array(_) | Value::Object(_) | Value::Null => return Err(invalid()),
            other => other.to_string(),
        };
        if name.eq_ignore_ascii_case("content-type") {
            content_type = Some(text);
            continue;
        }
        let header = HeaderName::try_from(name.as_str()).ok().zip(HeaderValue::try_from(text).ok());
        builder.append_header(header.ok_or_else(invalid)?);
    }
    let body = match member(&output, "body") {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => indented(&newtonsoft::to_json(other, zone)),
    };
    Ok(with_body(&mut builder, content_type.as_deref().unwrap_or(PLAIN_TEXT), body, is_head))
}

/// The body is chunked, as in the real host.
fn with_body(builder: &mut HttpResponseBuilder, content_type: &str, body: String, is_head: bool) -> HttpResponse {
    let charset = if content_type.to_lowercase().contains("charset") { "" } else { "; charset=utf-8" };
    builder.insert_header(SERVER).insert_header((header::CONTENT_TYPE, format!("{content_type}{charset}")));
    let response = builder.finish();
    if is_head || matches!(response.status().as_u16(), 204 | 304) {
        return response.set_body(body::None::new()).map_into_boxed_body();
    }
    let pieces = futures::stream::iter([Ok::<_, Infallible>(Bytes::from(body))]);
    response.set_body(BodyStream::new(pieces)).map_into_boxed_body()
}

fn status(output: &Map<String, Value>) -> Result<StatusCode, InvalidOutput> {
    let Some(value) = member(output, "statusCode") else { return Ok(StatusCode::OK) };
    let number = match value {
        Value::Number(number) => number.as_u64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    };
    let status = number.and_then(|number| StatusCode::from_u16(u16::try_from(number).ok()?).ok());
    status.ok_or_else(|| InvalidOutput::Status(value.clone()))
}

fn member<'a>(object: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    let ignoring_case = || object.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value);
    object.get(name).or_else(ignoring_case)
}

/// Compact JSON with a line for each member and element, indented by two spaces.
fn indented(json: &str) -> String {
    let mut text = String::new();
    let (mut depth, mut in_string, mut is_escaped) = (0_usize, false, false);
    let mut characters = json.chars().peekable();
    while let Some(character) = characters.next() {
        if in_string {
            text.push(character);
            (in_string, is_escaped) = (is_escaped || character != '"', !is_escaped && character == '\\');
            continue;
        }
        let line = |depth: usize, text: &mut String| {
            text.push('\n');
            text.push_str(&"  ".repeat(depth));
        };
        match character {
            '{' | '[' => {
                text.push(character);
                if let Some(end) = characters.next_if(|next| matches!(next, '}' | ']')) {
                    text.push(end);
                } else {
                    depth += 1;
                    line(depth, &mut text);
                }
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                line(depth, &mut text);
                text.push(character);
            }
            ',' => {
                text.push(',');
                line(depth, &mut text);
            }
            ':' => text.push_str(": "),
            other => {
                in_string = other == '"';
                text.push(other);
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::indented;

    #[test]
    fn json_is_indented_as_newtonsoft_indents_it() {
        let compact = r#"{"a":1,"b":[],"c":{"d":[true,"x:{,\"}"]},"e":{}}"#;
        let expected = "{\n  \"a\": 1,\n  \"b\": [],\n  \"c\": {\n    \"d\": [\n      true,\n      \"x:{,\\\"}\"\n    ]\n  },\n  \"e\": {}\n}";
        assert_eq!(indented(compact), expected);
        assert_eq!(indented("\"a\""), "\"a\"");
    }
}
