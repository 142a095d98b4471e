//! Backups of a small world, and what is in it.

use std::collections::BTreeMap;

use changefeed_backup_format::{BackupLocation, verify};
use changefeed_jobs::JobState;
use changefeed_operations::{BackupCounts, BackupView};
use changefeed_operations::{Changefeed, Progress, TruncateRequest};
use serde_json::{Value, json};

use super::World;
use super::jobs::{finish, start};

/// Documents without what the service and restores add, by key and id.
pub type Documents = BTreeMap<(String, String), Value>;

/// What is live.
pub async fn live(world: &World) -> Documents {
    let documents = world.query("events", "SELECT * FROM c").await;
    documents.into_iter().map(|document| (name(&document), plain(document))).collect()
}

pub fn name(document: &Value) -> (String, String) {
    (document["pk"].to_string(), document["id"].to_string())
}

/// A document without what the service and restores add.
pub fn plain(mut document: Value) -> Value {
    let fields = document.as_object_mut().expect("object");
    fields.retain(|name, _| !name.starts_with('_') && name != "restored_at");
    document
}

/// Backs up, to the end.
pub async fn back_up(store: &Changefeed, request: Value) -> BackupView {
    let request = serde_json::from_value(request).expect("request");
    let view = store.backups.create_job(&request).await.expect("backup");
    finish(store, &view.id).await;
    let view = store.backups.show(&view.id).await.expect("backup");
    assert_eq!(view.state, JobState::Done, "{view:?}");
    view
}

/// The documents and deletions that the view counts are in the files, which are sound.
pub async fn assert_sound(view: &BackupView) {
    let found = verify(&BackupLocation::folder(view.location())).await.expect("verified");
    assert!(found.is_sound(), "{:?}", found.damages);
    let BackupCounts { documents, deletions, bytes, .. } = view.counts;
    assert_eq!((found.documents, found.deletions, found.compressed_bytes), (documents, deletions, bytes));
}

/// Restores from places, to the end. The id of the restore.
pub async fn restore_from(store: &Changefeed, request: Value) -> String {
    let id = start(store, request).await;
    assert_eq!(finish(store, &id).await, JobState::Done, "{:?}", store.restores.record(&id).await);
    id
}

/// Deletes every document.
pub async fn truncate(store: &Changefeed) {
    let nothing: Progress<'_> = &|_, _| ();
    let request = TruncateRequest { container: "events".into(), max: 100_000 };
    store.documents.truncate(&request, nothing).await.expect("truncated");
}

/// A delete as AllVersionsAndDeletes mode tells of it.
pub fn delete(key: &str, id: &str, lsn: i64) -> Value {
    let metadata = json!({"crts": chrono::Utc::now().timestamp() as f64, "lsn": lsn, "operationType": "delete", "id": id,
        "partitionKey": {"pk": key}});
    json!({"current": null, "metadata": metadata})
}
