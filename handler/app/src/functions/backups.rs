//! `Backups`: writes backups into blobs, and reads them.

use actix_web::HttpResponse;
use actix_web::web::{Data, Path};
use changefeed_backup_format::{Verification, verify_listing, verify_segment};
use changefeed_operations::BACKUP;
use changefeed_operations::format_error;
use changefeed_operations::{BackupRequest, BackupView};
use serde::{Deserialize, Serialize};

use crate::http::{ApiError, Json, accepted};
use crate::service::Service;

/// Compressed bytes that one request verifies.
const VERIFIED_BYTES: u64 = 256 * 1024 * 1024;

/// `POST /api/backups`: asks for a backup, which is a job.
pub async fn post(service: Data<Service>, Json(request): Json<BackupRequest>) -> Result<HttpResponse, ApiError> {
    Ok(under_way(service.changefeed.backups.create_job(&request).await?))
}

/// `GET /api/backups`: the backups that were asked for, newest first.
pub async fn list(service: Data<Service>) -> Result<HttpResponse, ApiError> {
    Ok(HttpResponse::Ok().json(service.changefeed.backups.list().await?))
}

/// `GET /api/backups/{id}`: one of them, and how far it is.
pub async fn show(service: Data<Service>, id: Path<String>) -> Result<HttpResponse, ApiError> {
    Ok(HttpResponse::Ok().json(service.changefeed.backups.show(&id).await?))
}

/// `POST /api/backups/{id}/cancel`: ends it before it is done.
pub async fn cancel(service: Data<Service>, id: Path<String>) -> Result<HttpResponse, ApiError> {
    service.changefeed.backups.show(&id).await?;
    service.changefeed.jobs.cancel(BACKUP, &id).await?;
    let view = service.changefeed.backups.show(&id).await?;
    Ok(if view.state.is_end() { HttpResponse::Ok().json(view) } else { under_way(view) })
}

/// Where to go on with a verification.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VerifyRequest {
    #[serde(default)]
    continuation: Option<String>,
}

/// What was found in a part of a backup.
#[derive(Serialize)]
struct Verified {
    #[serde(flatten)]
    verification: Verification,
    sound: bool,
    /// For the rest; absent when everything was read.
    #[serde(skip_serializing_if = "Option::is_none")]
    continuation: Option<String>,
}

/// `POST /api/backups/{id}/verify` `{continuation?}`: reads all of a backup, of a large one as much as a request may take.
pub async fn verify(
    service: Data<Service>,
    id: Path<String>,
    Json(request): Json<VerifyRequest>,
) -> Result<HttpResponse, ApiError> {
    let backup = service.changefeed.backups.show(&id).await?;
    let place = service.settings().places.open(backup.place()).map_err(format_error)?;
    let first = match request.continuation.as_deref().map(str::parse::<usize>) {
        None => 0,
        Some(Ok(first)) => first,
        Some(Err(_)) => return Err(ApiError::bad_request("the continuation is not one that a verification gave")),
    };
    let mut verification = verify_listing(&place).await.map_err(format_error)?;
    let segments = verification.manifest.as_mut().map(|manifest| std::mem::take(&mut manifest.segments));
    let (mut bytes, mut continuation) = (0, None);
    for (number, segment) in segments.into_iter().flatten().enumerate().skip(first) {
        if bytes >= VERIFIED_BYTES {
            continuation = Some(number.to_string());
            break;
        }
        bytes += segment.compressed_bytes;
        verification.add(verify_segment(&place, segment).await.map_err(format_error)?);
    }
    let sound = verification.is_sound();
    // The manifest is long, and its numbers are told.
    verification.manifest = None;
    Ok(HttpResponse::Ok().json(Verified { verification, sound, continuation }))
}

/// What is under way, and where to look for it.
fn under_way(view: BackupView) -> HttpResponse {
    accepted(format!("/api/backups/{}", view.id), view)
}
