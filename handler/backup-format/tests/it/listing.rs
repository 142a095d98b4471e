//! Several backups below one location.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use changefeed_backup_format::{BackupLocation, Damage, ListedState, list};
use serde_json::json;

use crate::support::{create, document, folder, header, write};

#[tokio::test]
async fn backups_are_listed_with_their_states() {
    let (folder, location) = folder();
    let child = |name: &str| location.child(name).expect("location");
    write(&child("a"), header("first"), 0..5).await;
    let mut writer = create(&child("b"), header("second")).await;
    writer.push(&document(0)).await.expect("pushed");
    writer.suspend(json!(1)).await.expect("suspended");
    write(&child("c"), header("third"), 0..1).await;
    std::fs::write(folder.path().join("c/manifest.json"), "{").expect("written");
    std::fs::create_dir(folder.path().join("d")).expect("folder");
    std::fs::write(folder.path().join("notes.txt"), "x").expect("written");
    let listed = list(&location).await.expect("listed");
    assert_eq!(listed.iter().map(|backup| backup.name.as_str()).collect::<Vec<_>>(), ["a", "b", "c"]);
    match &listed[0].state {
        ListedState::Finished { backup, documents, .. } => assert_eq!((backup.id.as_str(), *documents), ("first", 5)),
        other => panic!("{other:?}"),
    }
    match &listed[1].state {
        ListedState::Unfinished { backup, documents } => assert_eq!((backup.id.as_str(), *documents), ("second", 1)),
        other => panic!("{other:?}"),
    }
    assert!(matches!(&listed[2].state, ListedState::Damaged { damage: Damage::ManifestNotJson { .. } }));
    let shown = serde_json::to_value(&listed).expect("json");
    assert_eq!((&shown[0]["state"], &shown[0]["documents"]), (&json!("finished"), &json!(5)));
    assert_eq!((&shown[2]["state"], &shown[2]["damage"]), (&json!("damaged"), &json!("manifestNotJson")));
}

#[tokio::test]
async fn a_backup_that_cannot_be_read_does_not_hide_the_others() {
    let (folder, location) = folder();
    write(&location.child("2026-11-27T10-00").expect("location"), header("first"), 0..2).await;
    std::fs::create_dir(folder.path().join("\u{1}")).expect("folder");
    let listed = list(&location).await.expect("listed");
    assert_eq!(listed.len(), 2, "{listed:?}");
    assert!(matches!(&listed[0].state, ListedState::Unreadable { message } if message.contains("invalid file name")));
    assert!(matches!(&listed[1].state, ListedState::Finished { documents: 2, .. }));
}

#[cfg(not(windows))]
#[tokio::test]
async fn a_backup_may_be_named_after_a_time() {
    let (folder, location) = folder();
    write(&BackupLocation::folder(folder.path().join("2026-11-27T10:00")), header("first"), 0..2).await;
    let listed = list(&location).await.expect("listed");
    assert!(matches!(&listed[..], [one] if one.name == "2026-11-27T10:00"), "{listed:?}");
}

#[tokio::test]
async fn an_empty_location_has_no_backups() {
    let (folder, location) = folder();
    assert_eq!(list(&location).await.expect("listed"), []);
    assert_eq!(list(&BackupLocation::folder(folder.path().join("none"))).await.expect("listed"), []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_vanishes_while_its_folder_is_listed_is_left_out() {
    let (kept, location) = folder();
    let stop = Arc::new(AtomicBool::new(false));
    let (path, stopped) = (kept.path().join("renamed.tmp"), Arc::clone(&stop));
    let renaming = std::thread::spawn(move || {
        while !stopped.load(Ordering::Relaxed) {
            std::fs::write(&path, "x").expect("written");
            std::fs::remove_file(&path).expect("removed");
        }
    });
    let mut listed = Ok(Vec::new());
    for _ in 0..2000 {
        listed = location.list().await;
        if listed.is_err() {
            break;
        }
    }
    stop.store(true, Ordering::Relaxed);
    renaming.join().expect("joined");
    listed.expect("listed");
}
