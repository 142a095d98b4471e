//! `Populate`: writes sample documents.

use actix_web::HttpResponse;
use changefeed_operations::PopulateRequest;

use crate::config::TRYOUT_FUNCTIONS;
use crate::http::{ApiError, Caller, Json, NoQuery, OfSource, TryoutErrors};
use crate::shapes::documents as shapes;

/// Writes sample documents into the monitored container, for trying out.
#[utoipa::path(
    post,
    path = "/api/populate",
    operation_id = "populate",
    tag = "Other",
    request_body(content = shapes::PopulateRequest),
    responses(
        (status = 200, description = "What was written.", body = shapes::PopulateReport),
        TryoutErrors
    ),
    security(("masterKey" = []))
)]
pub async fn post(
    service: OfSource,
    _: NoQuery,
    caller: Caller,
    Json(populate): Json<PopulateRequest>,
) -> Result<HttpResponse, ApiError> {
    if !service.settings().tryout_functions {
        return Err(ApiError::turned_off(TRYOUT_FUNCTIONS.name));
    }
    let populate = PopulateRequest { requested_by: caller.or_named(populate.requested_by), ..populate };
    Ok(HttpResponse::Ok().json(service.changefeed.documents.populate(&populate, &|_, _| ()).await?))
}
