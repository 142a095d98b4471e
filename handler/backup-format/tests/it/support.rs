//! Locations with backups for tests.

use changefeed_backup_format::{
    BackupDocument, BackupHeader, BackupLocation, BackupReader, BackupWriter, Content, Deletion, Digest, Line,
    Manifest, ReadError, Resumed, Source,
};
use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use tempfile::TempDir;

/// A temporary folder, which is deleted when the test drops it, and its location.
pub fn folder() -> (TempDir, BackupLocation) {
    let folder = tempfile::tempdir().expect("folder");
    let location = BackupLocation::folder(folder.path());
    (folder, location)
}

pub fn time(second: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(second, 0).expect("time")
}

pub fn header(id: &str) -> BackupHeader {
    BackupHeader {
        id: id.into(),
        source: Source {
            account: "shop.documents.azure.com".into(),
            database: "dev".into(),
            container: "events".into(),
            partition_key_paths: vec!["/pk".into()],
        },
        content: Content::Live {},
        filter: Vec::new(),
        incremental_from: None,
        started_at: time(1_592_926_406).into(),
        created_by: "test".into(),
    }
}

pub fn incremental(id: &str, from: (&Manifest, Digest)) -> BackupHeader {
    BackupHeader { incremental_from: Some(from.0.as_earlier(from.1)), ..header(id) }
}

pub fn document(number: u64) -> BackupDocument {
    let text = format!("value {number} ü\u{2028}\n");
    let value = json!({"id": number.to_string(), "pk": format!("p{}", number % 3), "text": text, "n": number as f64 / 3.0,
        "_rid": "r", "_ts": 1_592_926_406 + number, "_etag": format!("\"{number}\"")});
    BackupDocument::from_live(value).expect("document")
}

pub fn deletion(number: u64) -> Deletion {
    Deletion {
        id: number.to_string(),
        partition_key: vec![json!(format!("p{}", number % 3))],
        deleted_ts: Some(1_592_926_500),
    }
}

pub async fn create(location: &BackupLocation, header: BackupHeader) -> BackupWriter {
    BackupWriter::create(location.clone(), header).await.expect("created")
}

pub async fn resume(location: &BackupLocation) -> BackupWriter {
    match BackupWriter::resume(location.clone()).await.expect("resumed") {
        Resumed::Unfinished(writer) => *writer,
        Resumed::Finished(manifest) => panic!("{} is finished", manifest.backup.id),
    }
}

/// A full backup of the documents with these numbers, with a segment for each hundred.
pub async fn write(location: &BackupLocation, header: BackupHeader, numbers: std::ops::Range<u64>) -> Manifest {
    let mut writer = create(location, header).await;
    for number in numbers {
        writer.push(&document(number)).await.expect("pushed");
        if number % 100 == 99 {
            writer.suspend(json!(number + 1)).await.expect("suspended");
        }
    }
    writer.finish(Value::Null, time(1_592_926_500)).await.expect("finished")
}

pub async fn read(location: &BackupLocation) -> Result<(Vec<BackupDocument>, Vec<Deletion>), ReadError> {
    let mut reader = BackupReader::open(location.clone()).await?;
    let (mut documents, mut deletions) = (Vec::new(), Vec::new());
    while let Some(line) = reader.next().await? {
        match line {
            Line::Document(document) => documents.push(document),
            Line::Deletion(deletion) => {
                assert!(documents.is_empty(), "deletions come first");
                deletions.push(deletion);
            }
        }
    }
    Ok((documents, deletions))
}

pub fn documents(numbers: impl IntoIterator<Item = u64>) -> Vec<BackupDocument> {
    numbers.into_iter().map(document).collect()
}
