//! `History`: the activity of a window.

use actix_web::HttpResponse;
use changefeed_history::{BucketLength, Filter, TimeExpression, VersionFilter, Window};
use changefeed_operations::WindowActivityRequest;
use chrono::Utc;
use serde::Deserialize;

use crate::http::{ApiError, Interpreted, OfSource, Query, WindowErrors};
use crate::shapes::{parameters, windows};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ActivityParameters {
    from: Option<TimeExpression>,
    to: Option<TimeExpression>,
    bucket: Option<BucketLength>,
    #[serde(default)]
    filter: Vec<Filter>,
    actor: Option<String>,
}

/// The versions of a window by time and operation, and the documents, fields and actors with the most of them.
#[utoipa::path(
    get,
    path = "/api/history/activity",
    operation_id = "showActivity",
    tag = "History",
    params(parameters::Window, parameters::Buckets, parameters::Actor),
    responses(
        (status = 200, description = "The counts.", body = windows::Activity),
        WindowErrors
    )
)]
pub async fn get(service: OfSource, Query(parameters): Query<ActivityParameters>) -> Result<HttpResponse, ApiError> {
    let ActivityParameters { from, to, bucket, filter, actor } = parameters;
    let (window, warning) = Window::new(from, to, Utc::now()).map_err(ApiError::bad_request)?;
    let select = VersionFilter { filters: filter, actor, ..VersionFilter::all(window) };
    let request = WindowActivityRequest { select, bucket, max_versions: None };
    let mut activity = service.changefeed.windows.activity(&request).await?;
    activity.warnings.splice(0..0, warning);
    Ok(HttpResponse::Ok().json(Interpreted::optional(activity, &[("from", from), ("to", to)], &service.time_zone())))
}
