//! `Truncate`: deletes documents of the monitored or the changes container.

use actix_web::HttpResponse;
use actix_web::web::Data;
use changefeed_operations::TruncateRequest;

use crate::http::{ApiError, Json, NoQuery};
use crate::service::Service;

/// `POST /api/truncate` `{container, max}`.
pub async fn post(
    service: Data<Service>,
    _: NoQuery,
    Json(truncate): Json<TruncateRequest>,
) -> Result<HttpResponse, ApiError> {
    Ok(HttpResponse::Ok().json(service.changefeed.documents.truncate(&truncate, &|_, _| ()).await?))
}
