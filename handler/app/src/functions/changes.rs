//! `History`: the versions of a window.

use actix_web::HttpResponse;
use actix_web::web::Data;
use changefeed_history::{ChangeOrder, Filter, Operation, TimeExpression, VersionFilter, Window};
use changefeed_operations::WindowChangesRequest;
use chrono::Utc;
use serde::Deserialize;

use crate::http::{ApiError, Query};
use crate::service::Service;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ChangesParameters {
    from: Option<TimeExpression>,
    to: Option<TimeExpression>,
    #[serde(default)]
    operation: Vec<Operation>,
    #[serde(default)]
    filter: Vec<Filter>,
    actor: Option<String>,
    #[serde(default)]
    order: ChangeOrder,
    #[serde(default)]
    values: bool,
    max_items: Option<u32>,
    continuation: Option<String>,
}

/// `GET /api/history/changes?from=&to=&operation=&filter=&actor=&order=&values=&maxItems=&continuation=`: the versions of a window, with the paths
/// that each of them changed, and with `values=true` their values. `operation` and `filter` may be repeated.
pub async fn get(
    service: Data<Service>,
    Query(parameters): Query<ChangesParameters>,
) -> Result<HttpResponse, ApiError> {
    let ChangesParameters { from, to, operation, filter, actor, order, values, max_items, continuation } = parameters;
    let (window, warning) = Window::new(from, to, Utc::now()).map_err(ApiError::bad_request)?;
    let select = VersionFilter { window, operations: operation, filters: filter, actor };
    let request = WindowChangesRequest { select, order, values, max_items, continuation };
    let mut page = service.changefeed.windows.changes(&request).await?;
    page.warnings.splice(0..0, warning);
    Ok(HttpResponse::Ok().json(page))
}
