//! Backups of every released format stay readable. `CHANGEFEED_WRITE_SAMPLES=1` writes those that are missing.

use std::path::{Path, PathBuf};

use changefeed_backup_format::{BackupLocation, BackupReader, Content, check_chain, verify};
use serde_json::Value;

use crate::support::{create, deletion, document, documents, header, incremental, read, time};

fn samples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/samples/backup-v1")
}

async fn write(base: &BackupLocation, increment: &BackupLocation) {
    let mut writer = create(base, header("sample-base")).await;
    for number in 0..6 {
        writer.push(&document(number)).await.expect("pushed");
        if number == 3 {
            writer.suspend(Value::Null).await.expect("suspended");
        }
    }
    writer.finish(Value::Null, time(1_592_926_500)).await.expect("finished");
    let earlier = BackupReader::open(base.clone()).await.expect("open");
    let mut header = incremental("sample-increment", (earlier.manifest(), earlier.digest()));
    header.content = Content::AsOf { moment: time(1_592_927_000).into() };
    let mut writer = create(increment, header).await;
    writer.push(&document(6)).await.expect("pushed");
    writer.push_deletion(&deletion(2)).await.expect("pushed");
    writer.finish(Value::Null, time(1_592_927_100)).await.expect("finished");
}

#[tokio::test]
async fn backups_of_format_1_are_read() {
    let [base, increment] = ["base", "increment"].map(|name| BackupLocation::folder(samples().join(name)));
    if std::env::var_os("CHANGEFEED_WRITE_SAMPLES").is_some() && !samples().exists() {
        write(&base, &increment).await;
    }
    assert_eq!(read(&base).await.expect("read"), (documents(0..6), Vec::new()));
    assert_eq!(read(&increment).await.expect("read"), (documents([6]), vec![deletion(2)]));
    let mut chain = Vec::new();
    for location in [base, increment] {
        let verification = verify(&location).await.expect("verified");
        assert!(verification.is_sound(), "{:?}", verification.damages);
        let reader = BackupReader::open(location).await.expect("open");
        chain.push((reader.manifest().clone(), reader.digest()));
    }
    assert_eq!(check_chain(&chain), Ok(()));
    assert_eq!(chain[1].0.complete_until(), time(1_592_927_000).into());
    for (name, (manifest, digest)) in ["base", "increment"].iter().zip(&chain) {
        let file = std::fs::read(samples().join(name).join("manifest.json")).expect("read");
        assert_eq!(manifest.encode().expect("text"), (file, *digest), "{name} is written as before, byte for byte");
    }
}
