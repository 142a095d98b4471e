//! Files that are written piece by piece.

use changefeed_backup_format::{BackupLocation, ErrorKind, Existing};

use crate::support::folder;

async fn names(location: &BackupLocation) -> Vec<String> {
    location.list().await.expect("listed").into_iter().map(|entry| entry.name).collect()
}

async fn content(location: &BackupLocation, name: &str) -> Vec<u8> {
    location.read(name, 64 << 20).await.expect("read").0.to_vec()
}

#[tokio::test]
async fn a_file_has_its_name_when_it_is_complete() {
    let (_folder, location) = folder();
    let mut file = location.write_file("f", Existing::Keep).await.expect("a file");
    for byte in 0..=255_u8 {
        file.write(&[byte; 4096]).await.expect("written");
    }
    assert!(names(&location).await.iter().all(|name| name.starts_with(".f.")), "a temporary name");
    file.finish().await.expect("finished");
    assert_eq!(names(&location).await, ["f"]);
    let expected: Vec<u8> = (0..=255_u8).flat_map(|byte| [byte; 4096]).collect();
    assert_eq!(content(&location, "f").await, expected);
}

#[tokio::test]
async fn a_file_that_exists_stays_or_is_replaced_and_a_dropped_writer_leaves_nothing() {
    let (_folder, location) = folder();
    // Two writers at a time: the first to finish wins.
    let mut first = location.write_file("f", Existing::Keep).await.expect("a file");
    let second = location.write_file("f", Existing::Keep).await.expect("a file");
    first.write(b"first").await.expect("written");
    first.finish().await.expect("finished");
    assert_eq!(second.finish().await.expect_err("exists").kind(), ErrorKind::Conflict);
    let error = location.write_file("f", Existing::Keep).await.map(|_| ()).expect_err("exists");
    assert_eq!(error.kind(), ErrorKind::Conflict);
    let mut dropped = location.write_file("f", Existing::Replace).await.expect("a file");
    dropped.write(&[0; 1 << 20]).await.expect("written");
    drop(dropped);
    assert_eq!((names(&location).await, content(&location, "f").await), (vec!["f".to_owned()], b"first".to_vec()));
    let mut third = location.write_file("f", Existing::Replace).await.expect("a file");
    third.write(b"third").await.expect("written");
    third.finish().await.expect("finished");
    assert_eq!((names(&location).await, content(&location, "f").await), (vec!["f".to_owned()], b"third".to_vec()));
    assert!(location.write_file("../f", Existing::Keep).await.is_err());
}

#[tokio::test]
async fn a_location_is_split_into_a_folder_and_a_name() {
    let (folder, _) = folder();
    let path = folder.path().join("a b");
    let (parent, name) = BackupLocation::folder(&path).split().expect("a name");
    assert_eq!((parent.to_string(), name.as_str()), (folder.path().display().to_string(), "a b"));
    assert!(parent.is_folder().await && !BackupLocation::folder(&path).is_folder().await);
    let blob = BackupLocation::blobs("https://a.blob.core.windows.net/c/p/a%20b?sig=x", None).expect("a location");
    let (parent, name) = blob.split().expect("a name");
    assert_eq!((parent.to_string().as_str(), name.as_str()), ("https://a.blob.core.windows.net/c/p", "a b"));
    assert!(
        BackupLocation::blobs("https://a.blob.core.windows.net/c?sig=x", None).expect("a location").split().is_none()
    );
}
