//! The same stories in Azure Blob Storage, or in its emulator: `scripts/azurite` runs them.

use std::sync::atomic::{AtomicU32, Ordering};

use changefeed_history::ErrorKind;
use changefeed_history::backup::{BackupWriter, Damage, ForeignReader, ListedState, Place, list, verify};
use serde_json::{Value, json};

use crate::shelf::{create, document, documents, header, read, resume, time, write};

const CONNECTION_STRING: &str = "CHANGEFEED_TEST_STORAGE";
/// URL of the container, with a SAS.
const SIGNED_URL: &str = "CHANGEFEED_TEST_STORAGE_SIGNED_URL";
const CONTAINER: &str = "CHANGEFEED_TEST_STORAGE_CONTAINER";

fn setting(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: scripts/azurite sets it"))
}

/// A prefix of its own for each test, reached by key and by SAS.
fn places() -> [Place; 2] {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let prefix = format!("run {}/{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
    let by_key =
        Place::blobs_by_connection_string(&setting(CONNECTION_STRING), &format!("{}/{prefix}/key", setting(CONTAINER)));
    let signed = setting(SIGNED_URL);
    let (url, signature) = signed.split_once('?').expect("a SAS");
    let by_signature = Place::blobs(&format!("{url}/{prefix}/sas?{signature}"), None);
    [by_key.expect("place"), by_signature.expect("place")]
}

#[tokio::test]
#[ignore = "needs a storage account: scripts/azurite"]
async fn a_backup_in_blobs_is_written_in_turns_and_read_back() {
    for place in places() {
        let mut former = create(&place, header("b")).await;
        for number in 0..100 {
            former.push(&document(number)).await.expect("pushed");
        }
        former.suspend(json!(100)).await.expect("suspended");
        assert_eq!(verify(&place).await.expect("verified").damages, [Damage::Unfinished { segments: 1 }]);
        former.push(&document(1000)).await.expect("pushed");
        let mut latter = resume(&place).await;
        assert_eq!(latter.cursor(), &json!(100));
        assert_eq!(former.suspend(json!(200)).await.expect_err("overtaken").kind(), ErrorKind::PreconditionFailed);
        latter.push(&document(100)).await.expect("pushed");
        latter.finish(Value::Null, time(5)).await.expect("finished");
        assert_eq!(read(&place).await.expect("read").0, documents(0..101));
        let verification = verify(&place).await.expect("verified");
        assert!(verification.is_sound(), "{:?}", verification.damages);
        let again = BackupWriter::create(place, header("b")).await.map(|_| ()).expect_err("there is one");
        assert_eq!(again.kind(), ErrorKind::Conflict);
    }
}

#[tokio::test]
#[ignore = "needs a storage account: scripts/azurite"]
async fn backups_in_blobs_are_listed_and_their_damage_is_found() {
    for place in places() {
        assert_eq!(list(&place).await.expect("listed"), []);
        write(&place.below("a b").expect("place"), header("one"), 0..250).await;
        create(&place.below("ü").expect("place"), header("two")).await;
        let listed = list(&place).await.expect("listed");
        assert!(matches!(&listed[0].state, ListedState::Finished { documents: 250, .. }), "{listed:?}");
        assert!(matches!(&listed[1].state, ListedState::Unfinished { .. }), "{listed:?}");
        let place = place.below("a b").expect("place");
        let (bytes, revision) = place.read("part-00001.ndjson.zst", 1 << 20).await.expect("read");
        let mut changed = bytes.to_vec();
        changed[100] ^= 1;
        place.replace("part-00001.ndjson.zst", changed.into(), &revision).await.expect("replaced");
        place.delete("part-00000.ndjson.zst").await.expect("deleted");
        let damages = verify(&place).await.expect("verified").damages;
        assert!(matches!(damages[..], [Damage::Missing { .. }, Damage::WrongDigest { .. }, ..]), "{damages:?}");
    }
}

#[tokio::test]
#[ignore = "needs a storage account: scripts/azurite"]
async fn a_blob_is_created_once_and_replaced_as_it_was_seen() {
    for place in places() {
        let first = place.create("x", "1".into()).await.expect("created");
        assert_eq!(place.create("x", "2".into()).await.expect_err("there").kind(), ErrorKind::Conflict);
        let second = place.replace("x", "3".into(), &first).await.expect("replaced");
        assert_eq!(
            place.replace("x", "4".into(), &first).await.expect_err("changed").kind(),
            ErrorKind::PreconditionFailed
        );
        assert_eq!(place.read("x", 10).await.expect("read"), ("3".into(), second.clone()));
        assert_eq!(place.read("x", 0).await.expect_err("large").kind(), ErrorKind::TooLarge);
        assert_eq!(place.list().await.expect("listed")[0].revision, Some(second.clone()));
        assert_eq!(place.delete_seen("x", &first).await.expect_err("changed").kind(), ErrorKind::PreconditionFailed);
        place.delete_seen("x", &second).await.expect("deleted");
        place.delete_seen("x", &second).await.expect("deleted");
        place.delete("x").await.expect("deleted");
        assert_eq!(
            place.replace("x", "5".into(), &second).await.expect_err("gone").kind(),
            ErrorKind::PreconditionFailed
        );
        assert_eq!(place.read("x", 10).await.expect_err("gone").kind(), ErrorKind::NotFound);
        place.create("empty", "".into()).await.expect("created");
        assert_eq!(place.read("empty", 10).await.expect("read").0, "");
        let large: Vec<u8> = (0..12_000_000u32).map(|number| (number * 7 % 251) as u8).collect();
        place.create("large", large.clone().into()).await.expect("created");
        assert_eq!(place.read("large", large.len()).await.expect("read").0, large);
    }
}

#[tokio::test]
#[ignore = "needs a storage account: scripts/azurite"]
async fn files_of_other_tools_in_blobs_are_read() {
    for place in places() {
        place.create("a.json", "[{\"id\":\"1\"},{\"id\":\"2\"}]".into()).await.expect("created");
        for place in [place.clone(), place.below("a.json").expect("place")] {
            let mut reader = ForeignReader::open(place.clone()).await.expect("open");
            assert_eq!(reader.next().await.expect("document").expect("one").document, json!({"id": "1"}));
            let mark = reader.mark().expect("a mark");
            let (above, name) = place.as_file().await.expect("place").unwrap_or((place.clone(), "a.json".to_owned()));
            let mut rest = ForeignReader::resume(above.clone(), name.clone(), &mark).await.expect("resumed");
            assert_eq!(rest.next().await.expect("document").expect("one").document, json!({"id": "2"}));
            assert_eq!(rest.next().await.expect("the end"), None);
            let (bytes, revision) = above.read(&name, 100).await.expect("read");
            above.replace(&name, bytes, &revision).await.expect("replaced");
            assert!(ForeignReader::resume(above, name, &mark).await.is_err(), "it was changed");
        }
    }
}

#[tokio::test]
#[ignore = "needs a storage account: scripts/azurite"]
async fn a_refusal_tells_no_secret() {
    let signed = setting(SIGNED_URL);
    let start = signed.find("sig=").expect("a signature") + 4;
    let mut wrong = signed.clone();
    wrong.replace_range(start..start + 4, "AAAA");
    let place = Place::blobs(&wrong, None).expect("place");
    let error = place.list().await.expect_err("refused");
    assert_eq!(error.kind(), ErrorKind::Forbidden);
    let secret = &wrong[start..start + 20];
    assert!(!format!("{error} {error:?}").contains(secret), "{error}");
    let nowhere = wrong.replace(&setting(CONTAINER), "nowhere");
    let error = Place::blobs(&nowhere, None).expect("place").read("x", 1).await.expect_err("refused");
    assert!(!format!("{error} {error:?}").contains(secret), "{error}");
}
