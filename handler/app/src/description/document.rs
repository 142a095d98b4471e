//! `GET /api/openapi.json` and `GET /api`.

use std::sync::LazyLock;

use actix_web::HttpResponse;
use actix_web::http::header::{Accept, CONTENT_TYPE};
use actix_web::web::Header;
use serde_json::Value;

use super::index::Index;
use crate::http::{ApiError, FixedErrors, NoQuery};

/// The description of the API, `docs/reference/openapi.json`. A test makes it from the descriptions of the functions.
static DOCUMENT: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let packed = include_bytes!(concat!(env!("OUT_DIR"), "/openapi.json.zst"));
    zstd::decode_all(packed.as_slice()).unwrap_or_default()
});

/// This document: OpenAPI 3.1.
#[utoipa::path(
    get,
    path = "/api/openapi.json",
    operation_id = "describe",
    tag = "Description",
    responses((status = 200, description = "The document.", body = serde_json::Value), FixedErrors),
    security(())
)]
pub async fn openapi(_: NoQuery) -> Result<HttpResponse, ApiError> {
    Ok(HttpResponse::Ok().insert_header((CONTENT_TYPE, "application/json")).body(DOCUMENT.as_slice()))
}

/// What the API has, as HTML, as text or as JSON: whichever the client prefers.
#[utoipa::path(
    get,
    path = "/api",
    operation_id = "index",
    tag = "Description",
    responses(
        (status = 200, description = "The index.", content(
            (Index = "application/json"),
            (String = "text/html"),
            (String = "text/plain")
        )),
        FixedErrors
    ),
    security(())
)]
pub async fn index(_: NoQuery, accept: Option<Header<Accept>>) -> Result<HttpResponse, ApiError> {
    Ok(Index::new(&parsed()).answer(accept.as_deref()))
}

fn parsed() -> Value {
    serde_json::from_slice(&DOCUMENT).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_index_has_each_operation_with_its_key() {
        let index = serde_json::to_value(Index::new(&parsed())).expect("JSON");
        let operations = index["operations"].as_array().expect("operations");
        let key = |path: &str| &operations.iter().find(|found| found["path"] == path).expect(path)["key"];
        assert_eq!((key("/api").as_str(), key("/api/status").as_str()), (Some("none"), Some("function")));
        assert_eq!(key("/api/populate"), "master");
        let summaries = operations.iter().filter_map(|operation| operation["summary"].as_str());
        assert_eq!(summaries.filter(|summary| summary.ends_with('.')).count(), operations.len());
    }
}
