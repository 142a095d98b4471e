//! `BackupPolicy`: the timer trigger that takes the backups of the policy. `BackupPolicySettings` and `BackupPolicySettingsWrite` show, set
//! and remove it.

use std::sync::Arc;

use actix_web::HttpResponse;
use actix_web::web::Data;
use changefeed_operations::BackupPolicy;
use futures::future::join_all;
use serde_json::{Value, json};

use crate::backup_policy::look;
use crate::http::{ApiError, BackupErrors, Caller, Json, NoQuery, OfSource, RawJson, ReadErrors, WriteErrors};
use crate::service::Service;
use crate::shapes::backup_policy as shapes;
use crate::sources::Sources;

/// `POST /BackupPolicy`: the timer's body is ignored. The answer is always a JSON object, because the host hangs on an empty body. A failure
/// is logged and stored with the policy, and needs no other answer: the next call repeats everything. Each source has its own policy.
pub async fn run(sources: Data<Sources>, _: NoQuery, _: RawJson) -> HttpResponse {
    let look_at = async |service: &Arc<Service>| {
        let source = service.named_source().map(|source| format!("source {source}: ")).unwrap_or_default();
        let lines: Vec<String> = match look(service).await {
            Ok(look) => look.events.iter().map(|event| format!("{source}{event}")).collect(),
            Err(error) => vec![format!("{source}could not look at the backup policy, trying again later: {error:#}")],
        };
        lines
    };
    let logs: Vec<String> = join_all(sources.all().map(look_at)).await.into_iter().flatten().collect();
    logs.iter().for_each(|line| log::info!("{line}"));
    HttpResponse::Ok().json(json!({"Outputs": {}, "Logs": logs, "ReturnValue": null}))
}

/// The backup policy, its next run and its last ones.
#[utoipa::path(
    get,
    path = "/api/backup-policy",
    operation_id = "showBackupPolicy",
    tag = "Backups",
    responses(
        (status = 200, description = "The policy; null if none is set.", body = shapes::BackupPolicyView),
        ReadErrors
    )
)]
pub async fn show(service: OfSource, _: NoQuery) -> Result<HttpResponse, ApiError> {
    Ok(match service.changefeed.backup_policy.show().await? {
        Some(policy) => HttpResponse::Ok().json(policy),
        None => HttpResponse::Ok().json(not_set()),
    })
}

/// Sets the backup policy.
///
/// The first backup is due at once. Setting the same policy again changes nothing.
#[utoipa::path(
    put,
    path = "/api/backup-policy",
    operation_id = "setBackupPolicy",
    tag = "Backups",
    request_body(content = shapes::BackupPolicy),
    responses(
        (status = 200, description = "The policy with its defaults.", body = shapes::BackupPolicyView),
        BackupErrors
    )
)]
pub async fn put(
    service: OfSource,
    _: NoQuery,
    caller: Caller,
    Json(policy): Json<BackupPolicy>,
) -> Result<HttpResponse, ApiError> {
    let policy = BackupPolicy { requested_by: caller.or_named(policy.requested_by), ..policy };
    Ok(HttpResponse::Ok().json(service.changefeed.backup_policy.set(policy, &service.time_zone()).await?))
}

/// Removes the backup policy, if one is set. Its backups are not changed.
#[utoipa::path(
    delete,
    path = "/api/backup-policy",
    operation_id = "removeBackupPolicy",
    tag = "Backups",
    responses(
        (status = 200, description = "No policy is set.", body = shapes::BackupPolicyView),
        WriteErrors
    )
)]
pub async fn remove(service: OfSource, _: NoQuery) -> Result<HttpResponse, ApiError> {
    service.changefeed.backup_policy.remove().await?;
    Ok(HttpResponse::Ok().json(not_set()))
}

fn not_set() -> Value {
    json!({"policy": null})
}
