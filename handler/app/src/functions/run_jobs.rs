//! `RunJobs`: the Cosmos DB trigger on the jobs container. Each change of a job runs a slice of it.

use actix_web::HttpResponse;
use actix_web::web::Data;
use changefeed_history::decode_delivery;
use changefeed_jobs::job_to_run;
use serde_json::{Value, json};

use crate::http::{ApiError, NoQuery, RawJson};
use crate::sources::Sources;

/// `POST /RunJobs`: runs the jobs of a batch. The answer is always a JSON object, because the host hangs on an empty body.
pub async fn post(sources: Data<Sources>, _: NoQuery, RawJson(body): RawJson) -> Result<HttpResponse, ApiError> {
    let documents = decode_delivery(body.into()).map_err(|error| ApiError::bad_request(error.to_string()))?;
    let jobs = documents.iter().filter_map(|document| {
        let document: Value = serde_json::from_str(document.get()).ok()?;
        job_to_run(&document)
    });
    let logs = sources.run_jobs(jobs.collect(), std::future::pending()).await.map_err(|error| {
        log::warn!("could not run a job; the batch is retried: {error}");
        ApiError::try_again(&error)
    })?;
    Ok(HttpResponse::Ok().json(json!({"Outputs": {}, "Logs": logs, "ReturnValue": null})))
}
