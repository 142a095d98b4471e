//! `History`: the versions of a window.

use actix_web::HttpResponse;
use changefeed_history::{ChangeOrder, Filter, Operation, TimeExpression, VersionFilter, Window};
use changefeed_operations::WindowChangesRequest;
use chrono::Utc;
use serde::Deserialize;

use crate::http::{ApiError, Interpreted, OfSource, Query, ReadErrors};
use crate::shapes::{parameters, windows};

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

/// The versions of a window, with the paths that each of them changed.
#[utoipa::path(
    get,
    path = "/api/history/changes",
    operation_id = "listChanges",
    tag = "History",
    params(parameters::Window, parameters::Changes, parameters::Actor, parameters::Page),
    responses(
        (status = 200, description = "A page, by default of 100 versions.", body = windows::ChangesPage),
        ReadErrors
    )
)]
pub async fn get(service: OfSource, Query(parameters): Query<ChangesParameters>) -> Result<HttpResponse, ApiError> {
    let ChangesParameters { from, to, operation, filter, actor, order, values, max_items, continuation } = parameters;
    let is_first = continuation.is_none();
    // The window of the first page counts for all pages. A time such as `10m` means another one by now.
    let (window, warning) = match is_first {
        true => Window::new(from, to, Utc::now()).map_err(ApiError::bad_request)?,
        false => (Window::until(Utc::now()), None),
    };
    let select = VersionFilter { window, operations: operation, filters: filter, actor };
    let request = WindowChangesRequest { select, order, values, max_items, continuation };
    let mut page = service.changefeed.windows.changes(&request).await?;
    page.warnings.splice(0..0, warning);
    let times = match is_first {
        true => [("from", from), ("to", to)],
        false => {
            let (first, last) = page.window.times();
            [("from", from.map(|_| first)), ("to", to.map(|_| last))]
        }
    };
    Ok(HttpResponse::Ok().json(Interpreted::optional(page, &times, &service.time_zone())))
}
