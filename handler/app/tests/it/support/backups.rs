//! Backups and the documents that are compared with them.

use std::collections::BTreeMap;

use changefeed_backup_format::{BackupLocation, verify};
use changefeed_jobs::JobState;
use changefeed_operations::{BackupCounts, BackupView, Changefeed, Progress, TruncateRequest};
use serde_json::{Value, json};

use super::World;
use super::jobs::{finish, start_restore};

/// The bodies of documents, by partition key and id.
pub type Documents = BTreeMap<(String, String), Value>;

/// The live documents.
pub async fn live_documents(world: &World) -> Documents {
    let documents = world.query("events", "SELECT * FROM c").await;
    documents.into_iter().map(|document| (name_of(&document), body_of(document))).collect()
}

pub fn name_of(document: &Value) -> (String, String) {
    (document["pk"].to_string(), document["id"].to_string())
}

/// A document without the properties that the service and restores add.
pub fn body_of(mut document: Value) -> Value {
    let fields = document.as_object_mut().expect("object");
    fields.retain(|name, _| !name.starts_with('_') && !["restored_at", "restore_id"].contains(&name.as_str()));
    document
}

/// Creates a backup and waits for its end.
pub async fn run_backup(changefeed: &Changefeed, request: Value) -> BackupView {
    let request = serde_json::from_value(request).expect("request");
    let view = changefeed.backups.create_job(&request).await.expect("backup");
    finish(changefeed, &view.id).await;
    let view = changefeed.backups.show(&view.id).await.expect("backup");
    assert_eq!(view.state, JobState::Done, "{view:?}");
    view
}

/// Checks that the files of a backup are sound and have the documents and deletions that its view counts.
pub async fn assert_sound(view: &BackupView) {
    let found = verify(&BackupLocation::folder(view.location())).await.expect("verified");
    assert!(found.is_sound(), "{:?}", found.damages);
    let BackupCounts { documents, deletions, bytes, .. } = view.counts;
    assert_eq!((found.documents, found.deletions, found.compressed_bytes), (documents, deletions, bytes));
}

/// Restores from backups and waits for the end. Returns the id of the restore.
pub async fn run_restore(changefeed: &Changefeed, request: Value) -> String {
    let id = start_restore(changefeed, request).await;
    assert_eq!(finish(changefeed, &id).await, JobState::Done, "{:?}", changefeed.restores.record(&id).await);
    id
}

/// Deletes every document.
pub async fn truncate(changefeed: &Changefeed) {
    let no_progress: Progress<'_> = &|_, _| ();
    let request = TruncateRequest {
        container: "events".into(),
        max: 100_000,
        confirm: "events".into(),
        requested_by: None,
        allow_changes: false,
    };
    changefeed.documents.truncate(&request, no_progress).await.expect("truncated");
}

/// A delete as the AllVersionsAndDeletes mode reports it.
pub fn delete_event(key: &str, id: &str, lsn: i64) -> Value {
    let metadata = json!({"crts": chrono::Utc::now().timestamp() as f64, "lsn": lsn, "operationType": "delete", "id": id,
        "partitionKey": {"pk": key}});
    json!({"current": null, "metadata": metadata})
}
