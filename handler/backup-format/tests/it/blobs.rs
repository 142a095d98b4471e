//! Backups in Azure Blob Storage or its emulator. `scripts/azurite` runs these tests.

use std::sync::atomic::{AtomicU32, Ordering};

use changefeed_backup_format::{
    BackupLocation, BackupWriter, Damage, ErrorKind, Existing, JsonFilesReader, ListedState, list, verify,
};
use serde_json::{Value, json};

use crate::support::{create, document, documents, header, read, resume, time, write};

const CONNECTION_STRING: &str = "CHANGEFEED_TEST_STORAGE";
/// URL of the container, with a SAS.
const SIGNED_URL: &str = "CHANGEFEED_TEST_STORAGE_SIGNED_URL";
const CONTAINER: &str = "CHANGEFEED_TEST_STORAGE_CONTAINER";

fn setting(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: scripts/azurite sets it"))
}

/// A prefix for each test, accessed with the account key and with a SAS.
fn locations() -> [BackupLocation; 2] {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let prefix = format!("run {}/{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
    let by_key = BackupLocation::blobs_by_connection_string(
        &setting(CONNECTION_STRING),
        &format!("{}/{prefix}/key", setting(CONTAINER)),
    );
    let signed = setting(SIGNED_URL);
    let (url, signature) = signed.split_once('?').expect("a SAS");
    let by_signature = BackupLocation::blobs(&format!("{url}/{prefix}/sas?{signature}"), None);
    [by_key.expect("location"), by_signature.expect("location")]
}

#[tokio::test]
#[ignore = "needs a storage account: scripts/azurite"]
async fn a_backup_in_blobs_is_written_in_several_runs_and_read_back() {
    for location in locations() {
        let mut older = create(&location, header("b")).await;
        for number in 0..100 {
            older.push(&document(number)).await.expect("pushed");
        }
        older.suspend(json!(100)).await.expect("suspended");
        assert_eq!(verify(&location).await.expect("verified").damages, [Damage::Unfinished { segments: 1 }]);
        older.push(&document(1000)).await.expect("pushed");
        let mut newer = resume(&location).await;
        assert_eq!(newer.cursor(), &json!(100));
        assert_eq!(older.suspend(json!(200)).await.expect_err("overtaken").kind(), ErrorKind::PreconditionFailed);
        newer.push(&document(100)).await.expect("pushed");
        newer.finish(Value::Null, time(5)).await.expect("finished");
        assert_eq!(read(&location).await.expect("read").0, documents(0..101));
        let verification = verify(&location).await.expect("verified");
        assert!(verification.is_sound(), "{:?}", verification.damages);
        let error = BackupWriter::create(location, header("b")).await.map(|_| ()).expect_err("a backup exists");
        assert_eq!(error.kind(), ErrorKind::Conflict);
    }
}

#[tokio::test]
#[ignore = "needs a storage account: scripts/azurite"]
async fn backups_in_blobs_are_listed_and_their_damage_is_found() {
    for location in locations() {
        assert_eq!(list(&location).await.expect("listed"), []);
        write(&location.child("a b").expect("location"), header("one"), 0..250).await;
        create(&location.child("ü").expect("location"), header("two")).await;
        let listed = list(&location).await.expect("listed");
        assert!(matches!(&listed[0].state, ListedState::Finished { documents: 250, .. }), "{listed:?}");
        assert!(matches!(&listed[1].state, ListedState::Unfinished { .. }), "{listed:?}");
        let location = location.child("a b").expect("location");
        let (bytes, revision) = location.read("part-00001.ndjson.zst", 1 << 20).await.expect("read");
        let mut changed = bytes.to_vec();
        changed[100] ^= 1;
        location.replace("part-00001.ndjson.zst", changed.into(), &revision).await.expect("replaced");
        location.delete("part-00000.ndjson.zst").await.expect("deleted");
        let damages = verify(&location).await.expect("verified").damages;
        assert!(matches!(damages[..], [Damage::Missing { .. }, Damage::WrongDigest { .. }, ..]), "{damages:?}");
    }
}

#[tokio::test]
#[ignore = "needs a storage account: scripts/azurite"]
async fn a_blob_is_created_once_and_replaced_only_if_unchanged() {
    for location in locations() {
        let first = location.create("x", "1".into()).await.expect("created");
        assert_eq!(location.create("x", "2".into()).await.expect_err("exists").kind(), ErrorKind::Conflict);
        let second = location.replace("x", "3".into(), &first).await.expect("replaced");
        assert_eq!(
            location.replace("x", "4".into(), &first).await.expect_err("changed").kind(),
            ErrorKind::PreconditionFailed
        );
        assert_eq!(location.read("x", 10).await.expect("read"), ("3".into(), second.clone()));
        assert_eq!(location.read("x", 0).await.expect_err("large").kind(), ErrorKind::TooLarge);
        assert_eq!(location.list().await.expect("listed")[0].revision, Some(second.clone()));
        assert_eq!(
            location.delete_if_unchanged("x", &first).await.expect_err("changed").kind(),
            ErrorKind::PreconditionFailed
        );
        location.delete_if_unchanged("x", &second).await.expect("deleted");
        location.delete_if_unchanged("x", &second).await.expect("deleted");
        location.delete("x").await.expect("deleted");
        assert_eq!(
            location.replace("x", "5".into(), &second).await.expect_err("gone").kind(),
            ErrorKind::PreconditionFailed
        );
        assert_eq!(location.read("x", 10).await.expect_err("gone").kind(), ErrorKind::NotFound);
        location.create("empty", "".into()).await.expect("created");
        assert_eq!(location.read("empty", 10).await.expect("read").0, "");
        let large: Vec<u8> = (0..12_000_000u32).map(|number| (number * 7 % 251) as u8).collect();
        location.create("large", large.clone().into()).await.expect("created");
        assert_eq!(location.read("large", large.len()).await.expect("read").0, large);
    }
}

#[tokio::test]
#[ignore = "needs a storage account: scripts/azurite"]
async fn files_of_other_tools_in_blobs_are_read() {
    for location in locations() {
        location.create("a.json", "[{\"id\":\"1\"},{\"id\":\"2\"}]".into()).await.expect("created");
        for location in [location.clone(), location.child("a.json").expect("location")] {
            let mut reader = JsonFilesReader::open(location.clone()).await.expect("open");
            assert_eq!(reader.next().await.expect("document").expect("one").document, json!({"id": "1"}));
            let point = reader.resume_point().expect("a resume point");
            let (parent, name) =
                location.as_file().await.expect("location").unwrap_or((location.clone(), "a.json".to_owned()));
            let mut rest = JsonFilesReader::resume(parent.clone(), name.clone(), &point).await.expect("resumed");
            assert_eq!(rest.next().await.expect("document").expect("one").document, json!({"id": "2"}));
            assert_eq!(rest.next().await.expect("the end"), None);
            let (bytes, revision) = parent.read(&name, 100).await.expect("read");
            parent.replace(&name, bytes, &revision).await.expect("replaced");
            assert!(JsonFilesReader::resume(parent, name, &point).await.is_err(), "the blob was changed");
        }
    }
}

#[tokio::test]
#[ignore = "needs a storage account: scripts/azurite"]
async fn a_blob_of_several_blocks_exists_when_all_are_committed() {
    for location in locations() {
        let mut file = location.write_file("a b", Existing::Keep).await.expect("a file");
        let second = location.write_file("a b", Existing::Keep).await.expect("a file");
        let mut expected = Vec::new();
        for byte in 0..20_u8 {
            let bytes = vec![byte; 1 << 20];
            file.write(&bytes).await.expect("written");
            expected.extend(bytes);
        }
        assert_eq!(location.open("a b").await.map(|_| ()).expect_err("not yet").kind(), ErrorKind::NotFound);
        file.finish().await.expect("finished");
        assert_eq!(location.read("a b", 64 << 20).await.expect("read").0, expected);
        assert_eq!(second.finish().await.expect_err("exists").kind(), ErrorKind::Conflict);
        let error = location.write_file("a b", Existing::Keep).await.map(|_| ()).expect_err("exists");
        assert_eq!(error.kind(), ErrorKind::Conflict);
        let mut third = location.write_file("a b", Existing::Replace).await.expect("a file");
        third.write(b"third").await.expect("written");
        third.finish().await.expect("finished");
        assert_eq!(location.read("a b", 100).await.expect("read").0, b"third".as_slice());
        location.write_file("empty", Existing::Keep).await.expect("a file").finish().await.expect("finished");
        assert!(location.read("empty", 100).await.expect("read").0.is_empty());
    }
}

#[tokio::test]
#[ignore = "needs a storage account: scripts/azurite"]
async fn an_error_of_the_service_contains_no_secret() {
    let signed = setting(SIGNED_URL);
    let start = signed.find("sig=").expect("a signature") + 4;
    let mut wrong = signed.clone();
    wrong.replace_range(start..start + 4, "AAAA");
    let location = BackupLocation::blobs(&wrong, None).expect("location");
    let error = location.list().await.expect_err("refused");
    assert_eq!(error.kind(), ErrorKind::Forbidden);
    let secret = &wrong[start..start + 20];
    assert!(!format!("{error} {error:?}").contains(secret), "{error}");
    let nowhere = wrong.replace(&setting(CONTAINER), "nowhere");
    let error = BackupLocation::blobs(&nowhere, None).expect("location").read("x", 1).await.expect_err("refused");
    assert!(!format!("{error} {error:?}").contains(secret), "{error}");
}
