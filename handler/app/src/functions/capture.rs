//! `CosmosChangeFeed`: the Cosmos DB trigger on the monitored container.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use changefeed_history::{Batch, decode_delivery};
use serde_json::json;

use crate::http::{ApiError, RawJson};
use crate::service::Service;

const FUNCTION: &str = "CosmosChangeFeed";

/// `POST /CosmosChangeFeed`: stores a batch. Always answers with a JSON object: the host waits for ever on an empty body.
pub async fn post(
    request: HttpRequest,
    service: Data<Service>,
    RawJson(body): RawJson,
) -> Result<HttpResponse, ApiError> {
    let documents = decode_delivery(&body).map_err(|error| ApiError::bad_request(error.to_string()))?;
    drop(body);
    let invocation_id = request.headers().get("x-azure-functions-invocationid");
    let batch = Batch {
        function: FUNCTION.to_owned(),
        invocation_id: invocation_id.and_then(|id| id.to_str().ok()).unwrap_or("unknown").to_owned(),
        rewritten_by_host: true,
    };
    let report = match service.changefeed.capture.capture(&batch, documents).await {
        Ok(report) => report,
        Err(error) => {
            service.count(Err(()));
            log::warn!("batch {} could not be stored and will come again: {error}", batch.invocation_id);
            return Err(ApiError::try_again(&error));
        }
    };
    service.count(Ok(&report));
    let summary = format!(
        "{} versions stored, {} there already, {} dead letters, {:.1} RU",
        report.stored, report.already_stored, report.dead_lettered, report.request_charge
    );
    Ok(HttpResponse::Ok().json(json!({"Outputs": {}, "Logs": [summary], "ReturnValue": null})))
}
