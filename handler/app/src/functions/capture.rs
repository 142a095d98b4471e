//! `CosmosChangeFeed` and `CosmosChangeFeedAllVersions`: the Cosmos DB triggers on the monitored container, one for each mode. One of them is
//! enabled; while the mode is switched, both. A source with a name has its own ones: `CosmosChangeFeed_orders`.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use changefeed_cosmos::SourceName;
use changefeed_history::{Batch, decode_delivery};
use serde_json::json;

use crate::config::SOURCES;
use crate::http::{ApiError, NoQuery, RawJson, invocation_id};
use crate::memory;
use crate::sources::Sources;
use crate::telemetry;

/// `POST /CosmosChangeFeed` and `POST /CosmosChangeFeedAllVersions`: captures a batch. The answer is always a JSON object, because the host hangs on an empty body.
pub async fn post(
    request: HttpRequest,
    sources: Data<Sources>,
    _: NoQuery,
    RawJson(body): RawJson,
) -> Result<HttpResponse, ApiError> {
    let function = request.path().trim_start_matches('/');
    let service = sources.named(source_of(function)).map_err(|error| {
        let message = format!(
            "function {function} is called, and {}; name the source in {}, or disable the function",
            error.message(),
            SOURCES.name
        );
        log::error!("{message}");
        ApiError::bad_request(message)
    })?;
    let is_large = body.len() > memory::LARGE_BATCH_BYTES;
    let documents = decode_delivery(body.into()).map_err(|error| ApiError::bad_request(error.to_string()))?;
    let batch = Batch {
        function: function.to_owned(),
        invocation_id: invocation_id(&request).unwrap_or("unknown").to_owned(),
        rewritten_by_host: true,
    };
    let count = documents.len();
    let captured = service.changefeed.capture.capture(&batch, documents).await;
    telemetry::captured(count, captured.as_ref().ok());
    if is_large {
        memory::return_freed();
    }
    let report = match captured {
        Ok(report) => report,
        Err(error) => {
            service.metrics().batch(None);
            log::warn!("could not store batch {}; it is delivered again: {error}", batch.invocation_id);
            return Err(ApiError::try_again(&error));
        }
    };
    service.metrics().batch(Some(&report));
    let summary = format!(
        "stored {} versions, {} already present, {} dead letters, {} of erased documents, {} excluded, {:.1} RU",
        report.stored,
        report.already_stored,
        report.dead_lettered,
        report.erased,
        report.excluded,
        report.request_charge
    );
    Ok(HttpResponse::Ok().json(json!({"Outputs": {}, "Logs": [summary], "ReturnValue": null})))
}

/// The source whose changes a function gets, by the name of the function.
fn source_of(function: &str) -> &str {
    function.split_once('_').map_or(SourceName::DEFAULT, |(_, source)| source)
}
