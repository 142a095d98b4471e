//! Documents and short ways to query them.
#![allow(dead_code, reason = "each test uses some")]

use std::sync::Arc;

use query_engine::{Document, Page, PageRequest, Query, QueryError};
use serde_json::{Value, json};

/// Documents at ascending positions, with the `_rid` of each.
pub fn documents(values: &[Value]) -> Vec<Document> {
    let document = |(index, value): (usize, &Value)| {
        let position = index as u64 + 1;
        let mut value = value.clone();
        if let Some(object) = value.as_object_mut() {
            object.insert("_rid".into(), json!(rid(position)));
        }
        Document { value: Arc::new(value), position }
    };
    values.iter().enumerate().map(document).collect()
}

/// The `_rid` of a document with a number below 64.
pub fn rid(number: u64) -> String {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digit = char::from(DIGITS[usize::try_from(number).expect("small")]);
    format!("AQIDAIAAAAE{digit}AAAAAAAAAA==")
}

pub fn page(
    text: &str,
    parameters: &[(String, Value)],
    documents: &[Document],
    request: &PageRequest<'_>,
) -> Result<Page, QueryError> {
    Query::parse(text, parameters)?.run(&mut documents.iter().cloned(), request)
}

/// All rows, on one page.
pub fn rows(text: &str, documents: &[Document]) -> Vec<Value> {
    let page = page(text, &[], documents, &PageRequest::default()).unwrap_or_else(|error| panic!("{text}: {error}"));
    assert_eq!(page.resume, None, "{text}");
    page.rows.iter().map(|row| serde_json::from_str(row).expect("JSON")).collect()
}

/// The value of an expression without a document; `None` is undefined.
pub fn value(expression: &str) -> Option<Value> {
    let mut rows = rows(&format!("SELECT VALUE {expression}"), &[]);
    assert!(rows.len() < 2);
    rows.pop()
}
