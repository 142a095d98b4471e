//! Checks every answer of the handler against `docs/reference/openapi.json`: its status is documented, and its body has the documented shape
//! and no other properties.

use std::path::Path;
use std::sync::LazyLock;

use reqwest::{Method, StatusCode};
use serde_json::{Map, Value, json};

/// The description of the API, as it is committed. A test compares it with what the handler serves.
pub static DOCUMENT: LazyLock<Value> = LazyLock::new(|| {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/openapi.json");
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).expect("openapi.json is JSON")
});

/// The operations of the document: path, method in upper case, operation.
pub fn operations() -> Vec<(&'static str, String, &'static Value)> {
    let paths = DOCUMENT["paths"].as_object().expect("paths");
    let operations = paths.iter().flat_map(|(path, item)| {
        let methods = item.as_object().expect("a path").iter();
        methods.map(move |(method, operation)| (path.as_str(), method.to_uppercase(), operation))
    });
    operations.collect()
}

/// Whether a path is one of the pages of the console, which are for browsers and not described.
pub fn is_page(path: &str) -> bool {
    let path = path.to_lowercase();
    ["/api/console", "/api/views"].iter().any(|start| path == *start || path.starts_with(&format!("{start}/")))
}

/// Checks an answer. Paths outside of `/api` are for the host, and are not described; neither are pages.
pub fn check(method: &Method, target: &str, status: StatusCode, content_type: &str, body: &str) {
    let path = target.split('?').next().unwrap_or_default().trim_end_matches('/');
    if !path.to_lowercase().starts_with("/api") || is_page(path) {
        return;
    }
    let problems = problems(method, path, status, content_type, body);
    assert!(problems.is_empty(), "{method} {target}: {status} is not as documented: {problems:#?}\n{body}");
}

fn problems(method: &Method, path: &str, status: StatusCode, content_type: &str, body: &str) -> Vec<String> {
    let Some(item) = path_item(path) else {
        return undescribed(status, StatusCode::NOT_FOUND, method, body);
    };
    let documented = if *method == Method::HEAD { "get".to_owned() } else { method.as_str().to_lowercase() };
    let Some(operation) = item.get(&documented) else {
        let expected = if *method == Method::OPTIONS { StatusCode::NO_CONTENT } else { StatusCode::METHOD_NOT_ALLOWED };
        return undescribed(status, expected, method, body);
    };
    let Some(response) = operation["responses"].get(status.as_str()).map(resolved) else {
        return vec![format!("the status is not among {:?}", keys(&operation["responses"]))];
    };
    if *method == Method::HEAD || response.get("content").is_none() {
        return if body.is_empty() { Vec::new() } else { vec!["the answer must have no body".to_owned()] };
    }
    let media_type = content_type.split(';').next().unwrap_or_default().trim();
    let Some(content) = response["content"].get(media_type) else {
        return vec![format!("the content type {content_type:?} is not among {:?}", keys(&response["content"]))];
    };
    if media_type != "application/json" {
        return Vec::new();
    }
    match serde_json::from_str(body) {
        Ok(body) => shape_problems(&content["schema"], &body),
        Err(error) => vec![format!("the body is not JSON: {error}")],
    }
}

/// What is wrong with the answer to a request that the document does not have.
fn undescribed(status: StatusCode, expected: StatusCode, method: &Method, body: &str) -> Vec<String> {
    if status != expected {
        return vec![format!("the document does not have it; {expected} is expected")];
    }
    if *method == Method::HEAD || expected == StatusCode::NO_CONTENT {
        return if body.is_empty() { Vec::new() } else { vec!["the answer must have no body".to_owned()] };
    }
    match serde_json::from_str(body) {
        Ok(body) => shape_problems(&json!({"$ref": "#/components/schemas/ErrorAnswer"}), &body),
        Err(error) => vec![format!("the body is not JSON: {error}")],
    }
}

/// What a reference means, or the value itself.
pub fn resolved(value: &'static Value) -> &'static Value {
    let Some(reference) = value["$ref"].as_str() else { return value };
    DOCUMENT.pointer(reference.trim_start_matches('#')).unwrap_or_else(|| panic!("{reference} does not exist"))
}

fn keys(object: &Value) -> Vec<&String> {
    object.as_object().map(|object| object.keys().collect()).unwrap_or_default()
}

/// The path of the document that a request's path is; names are compared without regard to case.
fn path_item(path: &str) -> Option<&'static Map<String, Value>> {
    let matches = |template: &str| {
        let (segments, given) = (template.split('/'), path.split('/'));
        segments.clone().count() == given.clone().count()
            && segments
                .zip(given)
                .all(|(segment, given)| segment.starts_with('{') || segment.eq_ignore_ascii_case(given))
    };
    DOCUMENT["paths"].as_object()?.iter().find(|(template, _)| matches(template))?.1.as_object()
}

fn shape_problems(schema: &Value, value: &Value) -> Vec<String> {
    let mut problems = Vec::new();
    compare(schema, value, "", true, &mut problems);
    problems
}

/// The keywords that say nothing about a value.
const SAY_NOTHING: [&str; 7] = ["description", "title", "example", "examples", "format", "default", "propertyNames"];

/// Compares a value with a schema. A `closed` object has only the properties of the schema. A keyword that is not known here fails the test.
fn compare(schema: &Value, value: &Value, at: &str, closed: bool, problems: &mut Vec<String>) {
    let Some(schema) = schema.as_object() else { return };
    for (keyword, rule) in schema {
        match keyword.as_str() {
            "$ref" => {
                let pointer = rule.as_str().expect("a reference").trim_start_matches('#');
                let target = DOCUMENT.pointer(pointer).unwrap_or_else(|| panic!("{pointer} does not exist"));
                compare(target, value, at, closed, problems);
            }
            "type" => {
                let types = rule.as_array().map_or_else(|| vec![rule], |types| types.iter().collect());
                if !types.iter().any(|name| is_of_type(name.as_str().expect("a type"), value)) {
                    problems.push(format!("{at}: {value} is not {rule}"));
                }
            }
            "enum" if !rule.as_array().expect("values").contains(value) => {
                problems.push(format!("{at}: {value} is not among {rule}"));
            }
            "required" if value.is_object() => {
                let names = rule.as_array().expect("names").iter().filter_map(Value::as_str);
                let missing = names.filter(|name| value.get(name).is_none());
                problems.extend(missing.map(|name| format!("{at}: {name} is missing")));
            }
            "properties" => {
                for (name, value) in value.as_object().into_iter().flatten() {
                    let at = format!("{at}/{name}");
                    match rule.get(name) {
                        Some(property) => compare(property, value, &at, closed, problems),
                        None if closed && !schema.contains_key("additionalProperties") => {
                            problems.push(format!("{at} is not documented"));
                        }
                        None => {}
                    }
                }
            }
            "additionalProperties" => {
                let known = schema.get("properties");
                let others = value.as_object().into_iter().flatten();
                for (name, value) in others.filter(|(name, _)| known.is_none_or(|known| known.get(*name).is_none())) {
                    match rule {
                        Value::Bool(true) => {}
                        Value::Bool(false) => problems.push(format!("{at}/{name} is not documented")),
                        rule => compare(rule, value, &format!("{at}/{name}"), closed, problems),
                    }
                }
            }
            "items" => {
                for (index, value) in value.as_array().into_iter().flatten().enumerate() {
                    compare(rule, value, &format!("{at}/{index}"), closed, problems);
                }
            }
            // Of the parts, the named ones list all properties.
            "allOf" => {
                for part in rule.as_array().expect("parts") {
                    compare(part, value, at, closed && part.get("$ref").is_some(), problems);
                }
            }
            "oneOf" | "anyOf" => {
                let choices: Vec<Vec<String>> = rule
                    .as_array()
                    .expect("choices")
                    .iter()
                    .map(|choice| problems_at(choice, value, at, closed))
                    .collect();
                let fitting = choices.iter().filter(|problems| problems.is_empty()).count();
                if fitting == 0 || keyword == "oneOf" && fitting > 1 {
                    problems.push(format!("{at}: {fitting} of {} choices fit: {choices:?}", choices.len()));
                }
            }
            "minimum" if value.as_f64() < rule.as_f64() => problems.push(format!("{at}: {value} is below {rule}")),
            "maximum" if value.as_f64() > rule.as_f64() => problems.push(format!("{at}: {value} is above {rule}")),
            "minItems" if value.as_array().map(Vec::len) < rule.as_u64().map(|least| least as usize) => {
                problems.push(format!("{at} has fewer than {rule} items"));
            }
            "maxItems" if value.as_array().map(Vec::len) > rule.as_u64().map(|most| most as usize) => {
                problems.push(format!("{at} has more than {rule} items"));
            }
            "enum" | "required" | "minimum" | "maximum" | "minItems" | "maxItems" => {}
            other => assert!(SAY_NOTHING.contains(&other), "{at}: this test does not know the keyword {other}"),
        }
    }
}

fn problems_at(schema: &Value, value: &Value, at: &str, closed: bool) -> Vec<String> {
    let mut problems = Vec::new();
    compare(schema, value, at, closed, &mut problems);
    problems
}

fn is_of_type(name: &str, value: &Value) -> bool {
    match name {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("the type {other} is not known"),
    }
}

#[test]
fn an_answer_with_another_status_property_type_or_value_is_reported() {
    let version = json!({"id": "v", "sourceId": "1", "partitionKey": ["a"], "operation": "write", "sourceTs": 1, "capturedAt": "t",
        "capturedBy": "i", "exact": true, "schema": 1});
    let path = "/api/history/versions/v";
    let found = |method: &Method, status: u16, body: &Value| {
        let status = StatusCode::from_u16(status).expect("a status");
        problems(method, path, status, "application/json", &body.to_string())
    };
    assert_eq!(found(&Method::GET, 200, &version), Vec::<String>::new());
    let changed = |name: &str, value: Value| {
        let mut changed = version.clone();
        changed[name] = value;
        changed
    };
    for wrong in [
        changed("colour", json!("red")),
        changed("operation", json!("upsert")),
        changed("sourceTs", json!("1")),
        changed("partitionKey", json!([])),
        json!({"id": "v"}),
    ] {
        assert!(!found(&Method::GET, 200, &wrong).is_empty(), "{wrong}");
    }
    let error = json!({"error": {"code": "NotFound", "message": "no"}});
    assert_eq!(found(&Method::GET, 404, &error), Vec::<String>::new());
    assert!(!found(&Method::GET, 400, &error).is_empty(), "the code is of another status");
    assert!(!found(&Method::GET, 418, &error).is_empty() && !found(&Method::PUT, 200, &version).is_empty());
}
