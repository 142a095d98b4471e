//! `Populate`: writes sample documents.

use actix_web::web::{Bytes, Data};
use actix_web::{HttpRequest, HttpResponse};

use crate::http::{ApiError, json};
use crate::service::Service;

/// `POST /api/populate` `{count, seed?, ratePerSecond?}`.
pub async fn post(request: HttpRequest, service: Data<Service>, body: Bytes) -> Result<HttpResponse, ApiError> {
    let populate = json(&request, &body)?;
    Ok(HttpResponse::Ok().json(service.store.populate(&populate, &|_, _| ()).await?))
}
