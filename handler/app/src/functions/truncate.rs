//! `Truncate`: deletes documents of the monitored or the changes container.

use actix_web::web::{Bytes, Data};
use actix_web::{HttpRequest, HttpResponse};

use crate::http::{ApiError, json};
use crate::service::Service;

/// `POST /api/truncate` `{container, max}`.
pub async fn post(request: HttpRequest, service: Data<Service>, body: Bytes) -> Result<HttpResponse, ApiError> {
    let truncate = json(&request, &body)?;
    Ok(HttpResponse::Ok().json(service.store.truncate(&truncate, &|_, _| ()).await?))
}
