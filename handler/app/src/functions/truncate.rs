//! `Truncate`: deletes documents of the monitored container. Those of the changes container are deleted by the command line only.

use actix_web::HttpResponse;
use changefeed_operations::TruncateRequest;

use crate::config::TRYOUT_FUNCTIONS;
use crate::http::{ApiError, Caller, Json, NoQuery, OfSource, TryoutErrors};
use crate::shapes::documents as shapes;

/// Deletes documents of the monitored container, for trying out.
#[utoipa::path(
    post,
    path = "/api/truncate",
    operation_id = "truncate",
    tag = "Other",
    request_body(content = shapes::TruncateRequest),
    responses(
        (status = 200, description = "What was deleted.", body = shapes::TruncateReport),
        TryoutErrors
    ),
    security(("masterKey" = []))
)]
pub async fn post(
    service: OfSource,
    _: NoQuery,
    caller: Caller,
    Json(truncate): Json<TruncateRequest>,
) -> Result<HttpResponse, ApiError> {
    if !service.settings().tryout_functions {
        return Err(ApiError::turned_off(TRYOUT_FUNCTIONS.name));
    }
    let truncate = TruncateRequest { requested_by: caller.or_named(truncate.requested_by), ..truncate };
    Ok(HttpResponse::Ok().json(service.changefeed.documents.truncate(&truncate, &|_, _| ()).await?))
}
