//! Backups of every released format stay readable. `CHANGEFEED_WRITE_SAMPLES=1` writes those of the current format that are missing.

use std::path::{Path, PathBuf};

use changefeed_backup_format::{
    BackupLocation, BackupReader, Content, Digest, FeedPosition, FeedRangePosition, Manifest, check_chain, verify,
};
use serde_json::Value;

use crate::support::{create, deletion, document, documents, header, incremental, read, time};

fn samples(format: u32) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/samples/backup-v{format}"))
}

/// A position in a feed of two partitions.
fn feed(number: u64) -> FeedPosition {
    let range = |min: &str, max: &str| FeedRangePosition {
        min: min.into(),
        max: max.into(),
        continuation: format!("\"{number}\""),
    };
    FeedPosition { resource_id: "4PVyAMLC7SM=".into(), ranges: vec![range("", "1FFFFFFF"), range("1FFFFFFF", "FF")] }
}

/// Writes a live backup with a position, an increment that reads the feed from there, and one that compares all documents as of a
/// time.
async fn write([base, increment, as_of]: &[BackupLocation; 3]) {
    let mut writer = create(base, header("sample-base")).await;
    for number in 0..6 {
        writer.push(&document(number)).await.expect("pushed");
        if number == 3 {
            writer.suspend(Value::Null).await.expect("suspended");
        }
    }
    writer.set_feed(Some(feed(120)));
    writer.finish(Value::Null, time(1_592_926_500)).await.expect("finished");

    let earlier = BackupReader::open(base.clone()).await.expect("open");
    let mut header = incremental("sample-increment", (earlier.manifest(), earlier.digest()));
    header.started_at = time(1_592_926_600).into();
    if let Some(earlier) = &mut header.incremental_from {
        earlier.feed = Some(feed(120));
    }
    let mut writer = create(increment, header).await;
    writer.push(&document(6)).await.expect("pushed");
    writer.push_deletion(&deletion(2)).await.expect("pushed");
    // It changed again while the increment was written.
    writer.push(&document(6)).await.expect("pushed");
    writer.set_feed(Some(feed(130)));
    writer.finish(Value::Null, time(1_592_926_700)).await.expect("finished");

    let earlier = BackupReader::open(increment.clone()).await.expect("open");
    let mut header = incremental("sample-as-of", (earlier.manifest(), earlier.digest()));
    header.content = Content::AsOf { moment: time(1_592_927_000).into() };
    let mut writer = create(as_of, header).await;
    writer.push(&document(7)).await.expect("pushed");
    writer.finish(Value::Null, time(1_592_927_100)).await.expect("finished");
}

/// Reads a chain, and checks that it is sound and would be written in the same way.
async fn read_chain(format: u32, names: &[&str]) -> Vec<(Manifest, Digest)> {
    let mut chain = Vec::new();
    for name in names {
        let location = BackupLocation::folder(samples(format).join(name));
        let verification = verify(&location).await.expect("verified");
        assert!(verification.is_sound(), "{:?}", verification.damages);
        let reader = BackupReader::open(location).await.expect("open");
        let (manifest, digest) = (reader.manifest().clone(), reader.digest());
        let file = std::fs::read(samples(format).join(name).join("manifest.json")).expect("read");
        assert_eq!(manifest.encode().expect("text"), (file, digest), "{name} is written as before, byte for byte");
        chain.push((manifest, digest));
    }
    assert_eq!(check_chain(&chain), Ok(()));
    chain
}

#[tokio::test]
async fn backups_of_format_1_are_read() {
    let [base, increment] = ["base", "increment"].map(|name| BackupLocation::folder(samples(1).join(name)));
    assert_eq!(read(&base).await.expect("read"), (documents(0..6), Vec::new()));
    assert_eq!(read(&increment).await.expect("read"), (documents([6]), vec![deletion(2)]));
    let chain = read_chain(1, &["base", "increment"]).await;
    assert_eq!(chain[1].0.complete_until(), time(1_592_927_000).into());
    assert!(chain.iter().all(|(manifest, _)| manifest.feed.is_none()));
}

#[tokio::test]
async fn backups_of_format_2_are_read() {
    let names = ["base", "increment", "as-of"];
    let locations = names.map(|name| BackupLocation::folder(samples(2).join(name)));
    if std::env::var_os("CHANGEFEED_WRITE_SAMPLES").is_some() && !samples(2).exists() {
        write(&locations).await;
    }
    let [base, increment, as_of] = &locations;
    assert_eq!(read(base).await.expect("read"), (documents(0..6), Vec::new()));
    assert_eq!(read(increment).await.expect("read"), (documents([6, 6]), vec![deletion(2)]));
    assert_eq!(read(as_of).await.expect("read"), (documents([7]), Vec::new()));
    let chain = read_chain(2, &names).await;
    let feeds: Vec<_> = chain.iter().map(|(manifest, _)| manifest.feed.clone()).collect();
    assert_eq!(feeds, [Some(feed(120)), Some(feed(130)), None]);
    let read_from = chain.iter().map(|(manifest, _)| manifest.backup.incremental_from.as_ref()?.feed.clone());
    assert_eq!(read_from.collect::<Vec<_>>(), [None, Some(feed(120)), None]);
}
