//! `History`: versions, a document as of a time, differences, search.

use actix_web::HttpResponse;
use actix_web::web::{Data, Path};
use changefeed_history::{SearchRequest, VersionsRequest};

use crate::http::{ApiError, Parameters};
use crate::service::Service;

/// `GET /api/history/versions?id=&pk=`: the versions of a document, newest first.
pub async fn versions(service: Data<Service>, mut parameters: Parameters) -> Result<HttpResponse, ApiError> {
    let request = VersionsRequest {
        document: parameters.document()?,
        max_items: parameters.number("maxItems")?,
        continuation: parameters.optional("continuation")?,
    };
    parameters.finish()?;
    Ok(HttpResponse::Ok().json(service.changefeed.history.versions(&request).await?))
}

/// `GET /api/history/versions/{versionId}?id=&pk=`: one version.
pub async fn version(
    service: Data<Service>,
    id: Path<String>,
    mut parameters: Parameters,
) -> Result<HttpResponse, ApiError> {
    let document = parameters.document()?;
    parameters.finish()?;
    Ok(HttpResponse::Ok().json(service.changefeed.history.version(&document, &id).await?))
}

/// `GET /api/history/document?id=&pk=&asOf=`: the document as of a time.
pub async fn document(service: Data<Service>, mut parameters: Parameters) -> Result<HttpResponse, ApiError> {
    let document = parameters.document()?;
    let moment =
        parameters.moment("asOf")?.ok_or_else(|| ApiError::bad_request("asOf is missing in the query string"))?;
    parameters.finish()?;
    Ok(HttpResponse::Ok().json(service.changefeed.history.document_as_of(&document, moment).await?))
}

/// `GET /api/history/diff?id=&pk=&from=&to=`: what differs between two versions, or one and `live`.
pub async fn diff(service: Data<Service>, mut parameters: Parameters) -> Result<HttpResponse, ApiError> {
    let document = parameters.document()?;
    let (from, to) = (parameters.required("from")?, parameters.required("to")?);
    parameters.finish()?;
    Ok(HttpResponse::Ok().json(service.changefeed.history.difference(&document, &from, &to).await?))
}

/// `GET /api/history/search?filter=&from=&to=`: live documents and versions together, in time order.
pub async fn search(service: Data<Service>, mut parameters: Parameters) -> Result<HttpResponse, ApiError> {
    let request = SearchRequest {
        filters: parameters.filters()?,
        from: parameters.moment("from")?,
        to: parameters.moment("to")?,
        max_items: parameters.number("maxItems")?,
        continuation: parameters.optional("continuation")?,
    };
    parameters.finish()?;
    Ok(HttpResponse::Ok().json(service.changefeed.history.search(&request).await?))
}
