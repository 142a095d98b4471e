//! `Backups`: writes backups to blobs, and verifies them.

use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::web::Path;
use changefeed_backup_format::{Verification, verify_listing, verify_segment};
use changefeed_cosmos::PageRequest;
use changefeed_operations::{BACKUP, BackupRequest, BackupView, PruneOrder};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::time::Instant;

use crate::http::{
    ApiError, BackupErrors, Caller, Interpreted, Json, NoQuery, OfSource, Query, ReadErrors, WriteErrors, accepted,
};
use crate::service::Service;
use crate::shapes::{backups as shapes, parameters, prune as prune_shapes};

/// Compressed bytes that one verification request reads.
const VERIFIED_BYTES: u64 = 256 * 1024 * 1024;
/// How long a request deletes backups.
const PRUNE_TIME: Duration = Duration::from_secs(60);

/// Creates a backup, which is a job.
#[utoipa::path(
    post,
    path = "/api/backups",
    operation_id = "createBackup",
    tag = "Backups",
    request_body(content = shapes::BackupRequest),
    responses(
        (status = 202, description = "It is a job. `Location` is the path that shows its progress.", body = shapes::Backup, headers(("Location" = String, description = "The path of the job."))),
        BackupErrors
    )
)]
pub async fn post(
    service: OfSource,
    _: NoQuery,
    caller: Caller,
    Json(request): Json<BackupRequest>,
) -> Result<HttpResponse, ApiError> {
    let request = BackupRequest { requested_by: caller.or_named(request.requested_by), ..request };
    let view = service.changefeed.backups.create_job(&request).await?;
    let path = path(&view);
    Ok(accepted(&service, path, Interpreted::optional(view, &[("asOf", request.as_of)], &service.time_zone())))
}

/// The requested backups, newest first.
#[utoipa::path(
    get,
    path = "/api/backups",
    operation_id = "listBackups",
    tag = "Backups",
    params(parameters::Page),
    responses(
        (status = 200, description = "A page, by default of 100 backups.", body = shapes::BackupList),
        ReadErrors
    )
)]
pub async fn list(service: OfSource, Query(page): Query<PageRequest>) -> Result<HttpResponse, ApiError> {
    Ok(HttpResponse::Ok().json(service.changefeed.backups.list(&page).await?))
}

/// One backup and its progress.
#[utoipa::path(
    get,
    path = "/api/backups/{id}",
    operation_id = "showBackup",
    tag = "Backups",
    params(("id" = String, Path, description = "Its id.")),
    responses(
        (status = 200, description = "The backup.", body = shapes::Backup),
        ReadErrors
    )
)]
pub async fn show(service: OfSource, id: Path<String>, _: NoQuery) -> Result<HttpResponse, ApiError> {
    Ok(HttpResponse::Ok().json(service.changefeed.backups.show(&id).await?))
}

/// Cancels a backup.
#[utoipa::path(
    post,
    path = "/api/backups/{id}/cancel",
    operation_id = "cancelBackup",
    tag = "Backups",
    params(("id" = String, Path, description = "Its id.")),
    responses(
        (status = 200, description = "It has ended.", body = shapes::Backup),
        (status = 202, description = "A worker still has the job.", body = shapes::Backup, headers(("Location" = String, description = "The path of the job."))),
        WriteErrors
    )
)]
pub async fn cancel(service: OfSource, id: Path<String>, _: NoQuery) -> Result<HttpResponse, ApiError> {
    service.changefeed.backups.show(&id).await?;
    service.changefeed.jobs.cancel(BACKUP, &id).await?;
    let view = service.changefeed.backups.show(&id).await?;
    Ok(if view.state.is_end() { HttpResponse::Ok().json(view) } else { under_way(&service, view) })
}

/// The next part of a verification.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VerifyRequest {
    #[serde(default)]
    continuation: Option<String>,
}

/// The result for a part of a backup.
#[derive(Serialize)]
struct Verified {
    #[serde(flatten)]
    verification: Verification,
    sound: bool,
    /// Continues with the rest; absent when everything was read.
    #[serde(skip_serializing_if = "Option::is_none")]
    continuation: Option<String>,
}

/// Reads a backup and reports damage.
///
/// A large backup takes several requests.
#[utoipa::path(
    post,
    path = "/api/backups/{id}/verify",
    operation_id = "verifyBackup",
    tag = "Backups",
    params(("id" = String, Path, description = "Its id.")),
    request_body(content = shapes::BackupVerifyRequest),
    responses(
        (status = 200, description = "What was read, and the damages.", body = shapes::BackupVerification),
        BackupErrors
    )
)]
pub async fn verify(
    service: OfSource,
    id: Path<String>,
    _: NoQuery,
    Json(request): Json<VerifyRequest>,
) -> Result<HttpResponse, ApiError> {
    let backup = service.changefeed.backups.show(&id).await?;
    let place = service.settings().locations.open(backup.location())?;
    let first = match request.continuation.as_deref().map(str::parse::<usize>) {
        None => 0,
        Some(Ok(first)) => first,
        Some(Err(_)) => return Err(ApiError::bad_request("invalid continuation; use the one from the last answer")),
    };
    let mut verification = verify_listing(&place).await?;
    let segments = verification.manifest.as_mut().map(|manifest| std::mem::take(&mut manifest.segments));
    let (mut bytes, mut continuation) = (0, None);
    for (number, segment) in segments.into_iter().flatten().enumerate().skip(first) {
        if bytes >= VERIFIED_BYTES {
            continuation = Some(number.to_string());
            break;
        }
        bytes += segment.compressed_bytes;
        verification.add(verify_segment(&place, segment).await?);
    }
    let sound = verification.is_sound();
    // The manifest is long, and the answer holds its numbers.
    verification.manifest = None;
    Ok(HttpResponse::Ok().json(Verified { verification, sound, continuation }))
}

/// Deletes the backups that no rule keeps and that no kept backup needs.
///
/// What is not given is that of the policy. A dry run answers with the plan, and deletes nothing. To delete, repeat the number of backups that the plan
/// deletes as `confirm`. A request deletes for a minute; `outOfTime` says that there are more.
#[utoipa::path(
    post,
    path = "/api/backups/prune",
    operation_id = "pruneBackups",
    tag = "Backups",
    request_body(content = prune_shapes::PruneRequest),
    responses(
        (status = 200, description = "What was deleted; or, of a dry run, the plan.", body = prune_shapes::Pruned),
        BackupErrors
    )
)]
pub async fn prune(service: OfSource, _: NoQuery, Json(order): Json<PruneOrder>) -> Result<HttpResponse, ApiError> {
    let policies = &service.changefeed.backup_policy;
    let request = policies.prune_request(&order, &service.time_zone()).await?;
    let plan = policies.plan_prune(&request).await?;
    if order.dry_run {
        return Ok(HttpResponse::Ok().json(json!({"items": plan.folders})));
    }
    order.check_confirmed(&plan)?;
    let report = policies.prune(&request, &plan, Instant::now() + PRUNE_TIME).await?;
    log::info!("{report} in {}", request.location);
    Ok(HttpResponse::Ok().json(report))
}

/// 202 with the state of the backup and its path.
fn under_way(service: &Service, view: BackupView) -> HttpResponse {
    accepted(service, path(&view), view)
}

fn path(view: &BackupView) -> String {
    format!("/api/backups/{}", view.id)
}
