//! The request of a client as a function without proxying receives it: as an object in the body of an invocation.

use actix_web::HttpRequest;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Map, Value, json};

use super::headers::{self, ClientHeader};
use super::path::RequestPath;
use super::route::Parameters;
use super::upload::content_length;
use crate::invocation::TriggerData;
use crate::newtonsoft::{self, TimeZone};

/// What the trigger passes to the function.
pub(super) fn trigger_data(
    request: &HttpRequest,
    path: &RequestPath,
    parameters: &Parameters,
    body: &[u8],
    zone: TimeZone,
) -> TriggerData {
    let headers = headers::of_client(request);
    let query = query(request.query_string());
    let content_type = headers.iter().find(|header| header.name == "Content-Type");
    let content_type = content_type.and_then(|header| header.values.first()).map_or("", String::as_str);
    let body = content_length(request).is_some_and(|length| length > 0).then_some(body);
    let mut value = json!({
        "Url": url(request, path),
        "Method": request.method().as_str(),
        "Query": joined(&query),
        "Headers": object(headers.iter().map(|header| (header.name.clone(), json!(header.values)))),
        "Params": object(parameters.iter().map(|(name, value)| (name.clone(), json!(value)))),
        "Identities": [anonymous()],
    });
    if let Some(body) = body {
        value["Body"] = body_text(content_type, body).into();
    }
    let mut metadata = body.map(|body| of_body(content_type, body, zone)).unwrap_or_default();
    metadata.extend(query.iter().map(|parameter| (parameter.name.clone(), encoded(parameter.last()))));
    let present = parameters.iter().filter_map(|(name, value)| Some((name.clone(), encoded(value.as_deref()?))));
    metadata.extend(present);
    metadata.insert(
        "Query".to_owned(),
        object(query.iter().map(|parameter| (parameter.name.clone(), json!(parameter.last())))),
    );
    let of_header = |header: &ClientHeader| (header.name.clone(), json!(header.values.join(",")));
    metadata.insert("Headers".to_owned(), object(headers.iter().map(of_header)));
    TriggerData { value, metadata }
}

fn url(request: &HttpRequest, path: &RequestPath) -> String {
    let query = request.uri().query().map(|query| format!("?{query}")).unwrap_or_default();
    format!("http://{}{}{query}", headers::host(request), path.displayed())
}

fn object(members: impl Iterator<Item = (String, Value)>) -> Value {
    Value::Object(members.collect())
}

/// A value of `Metadata`: a string that holds a JSON string.
fn encoded(text: &str) -> Value {
    Value::String(newtonsoft::text_to_json(text))
}

struct QueryParameter {
    /// As it is spelled last.
    name: String,
    values: Vec<String>,
}

impl QueryParameter {
    fn last(&self) -> &str {
        self.values.last().map_or("", String::as_str)
    }
}

/// Names that differ in case are the same.
fn query(text: &str) -> Vec<QueryParameter> {
    let mut parameters: Vec<QueryParameter> = Vec::new();
    for part in text.split('&').filter(|part| !part.is_empty()) {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        let (name, value) = (form_decoded(name), form_decoded(value));
        match parameters.iter_mut().find(|parameter| parameter.name.eq_ignore_ascii_case(&name)) {
            Some(parameter) => {
                parameter.name = name;
                parameter.values.push(value);
            }
            None => parameters.push(QueryParameter { name, values: vec![value] }),
        }
    }
    parameters
}

fn form_decoded(text: &str) -> String {
    percent_encoding::percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned()
}

fn joined(query: &[QueryParameter]) -> Value {
    object(query.iter().map(|parameter| (parameter.name.clone(), json!(parameter.values.join(",")))))
}

/// Bytes are encoded, and everything else is taken for text.
fn body_text(content_type: &str, body: &[u8]) -> String {
    let media_type = content_type.split(';').next().unwrap_or_default().trim().to_lowercase();
    if media_type == "application/octet-stream" || media_type.starts_with("multipart/") {
        return BASE64_STANDARD.encode(body);
    }
    String::from_utf8_lossy(body).into_owned()
}

/// The properties of a JSON object, except arrays.
fn of_body(content_type: &str, body: &[u8], zone: TimeZone) -> Map<String, Value> {
    let media_type = content_type.split(';').next().unwrap_or_default().to_lowercase();
    if !media_type.contains("json") {
        return Map::new();
    }
    let Ok(Value::Object(properties)) = serde_json::from_slice(body) else { return Map::new() };
    let value = |value: Value| match value {
        Value::Array(_) => None,
        Value::Object(_) | Value::Null => Some(value),
        Value::Bool(flag) => Some(encoded(if flag { "True" } else { "False" })),
        Value::String(text) => Some(encoded(&newtonsoft::invariant(&text, zone).unwrap_or(text))),
        Value::Number(_) => {
            let text = newtonsoft::to_json(&value, zone);
            Some(encoded(text.strip_suffix(".0").unwrap_or(&text)))
        }
    };
    properties.into_iter().filter_map(|(name, property)| Some((name, value(property)?))).collect()
}

/// The identity of a client that has no key.
fn anonymous() -> Value {
    json!({
        "AuthenticationType": null,
        "IsAuthenticated": false,
        "Actor": null,
        "BootstrapContext": null,
        "Claims": [],
        "Label": null,
        "Name": null,
        "NameClaimType": "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/name",
        "RoleClaimType": "http://schemas.microsoft.com/ws/2008/06/identity/claims/role",
    })
}
