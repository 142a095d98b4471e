//! `Populate`: writes sample documents.

use actix_web::HttpResponse;
use actix_web::web::Data;
use changefeed_operations::PopulateRequest;

use crate::config::TRYOUT_FUNCTIONS;
use crate::http::{ApiError, Caller, Json, NoQuery};
use crate::service::Service;

/// `POST /api/populate` `{count, seed?, ratePerSecond?, force?, requestedBy?}`.
pub async fn post(
    service: Data<Service>,
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
