//! Writers that resume, stop without notice, or run concurrently.

use changefeed_backup_format::{
    BackupDocument, BackupLocation, BackupReader, BackupWriter, ErrorKind, Resumed, SegmentKind, check_chain, verify,
};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};

use crate::support::{create, deletion, document, documents, folder, header, incremental, read, resume, time, write};

#[tokio::test]
async fn a_backup_is_read_back_as_it_was_written() {
    let (_folder, location) = folder();
    let manifest = write(&location, header("b"), 0..250).await;
    assert_eq!((manifest.documents, manifest.deletions, manifest.segments.len()), (250, 0, 3));
    assert_eq!(read(&location).await.expect("read"), (documents(0..250), Vec::new()));
    let verification = verify(&location).await.expect("verified");
    assert!(verification.is_sound(), "{verification:?}");
    assert_eq!((verification.segments, verification.documents), (3, 250));
    assert_eq!(verification.manifest, Some(manifest));
}

#[tokio::test]
async fn a_backup_without_documents_is_complete() {
    let (_folder, location) = folder();
    let manifest = write(&location, header("b"), 0..0).await;
    assert!(manifest.segments.is_empty());
    assert_eq!(read(&location).await.expect("read"), (Vec::new(), Vec::new()));
    assert!(verify(&location).await.expect("verified").is_sound());
}

#[tokio::test]
async fn a_segment_ends_at_its_size_and_the_memory_is_bounded() {
    let (_folder, location) = folder();
    let mut writer = create(&location, header("b")).await;
    // Random letters, which hardly compress.
    let mut state = 1u64;
    for number in 0..20u64 {
        let letters = (0..1_500_000).map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            char::from(b'!' + (state >> 33) as u8 % 90)
        });
        let value = json!({"id": number.to_string(), "text": letters.collect::<String>(), "_ts": 1, "_etag": "e"});
        writer.push(&BackupDocument::from_live(value).expect("document")).await.expect("pushed");
        writer.mark(json!(number)).await.expect("marked");
    }
    assert!(writer.cursor().as_u64().is_some_and(|cursor| cursor < 19), "the last lines are not recorded yet");
    let manifest = writer.finish(Value::Null, time(5)).await.expect("finished");
    assert!(manifest.segments.len() >= 3);
    assert!(manifest.segments.iter().all(|segment| segment.compressed_bytes < 11_000_000));
    assert!(verify(&location).await.expect("verified").is_sound());
}

#[tokio::test]
async fn a_reader_resumes_where_another_stopped() {
    let (_folder, location) = folder();
    write(&location, header("b"), 0..250).await;
    let mut reader = BackupReader::open(location.clone()).await.expect("open");
    for _ in 0..150 {
        reader.next().await.expect("line").expect("a line");
    }
    assert_eq!(reader.position(), 1);
    let mut next = BackupReader::open(location).await.expect("open");
    next.skip_to(reader.position());
    let mut left = 0;
    while next.next().await.expect("line").is_some() {
        left += 1;
    }
    assert_eq!((left, next.position()), (150, 3));
}

#[tokio::test]
async fn an_increment_has_changed_and_deleted_documents() {
    let (_folder, base) = folder();
    let (_other, location) = folder();
    write(&base, header("base"), 0..10).await;
    let reader = BackupReader::open(base).await.expect("open");
    let (manifest, digest) = (reader.manifest().clone(), reader.digest());
    let mut writer = create(&location, incremental("increment", (&manifest, digest))).await;
    writer.push(&document(11)).await.expect("pushed");
    writer.push_deletion(&deletion(3)).await.expect("pushed");
    writer.push(&document(4)).await.expect("pushed");
    let increment = writer.finish(Value::Null, time(9)).await.expect("finished");
    assert_eq!((increment.documents, increment.deletions), (2, 1));
    assert_eq!(read(&location).await.expect("read"), (documents([11, 4]), vec![deletion(3)]));
    assert!(verify(&location).await.expect("verified").is_sound());
    let increment_digest = BackupReader::open(location).await.expect("open").digest();
    assert_eq!(check_chain(&[(manifest, digest), (increment, increment_digest)]), Ok(()));
}

#[tokio::test]
async fn a_full_backup_has_no_deletions() {
    let (_folder, location) = folder();
    let mut writer = create(&location, header("b")).await;
    let error = writer.push_deletion(&deletion(1)).await.expect_err("refused");
    assert_eq!(error.kind(), ErrorKind::Invalid);
}

#[tokio::test]
async fn a_backup_does_not_start_at_a_location_that_is_not_empty() {
    let refused = async |location: &BackupLocation| {
        let error = BackupWriter::create(location.clone(), header("b")).await.map(|_| ()).expect_err("refused");
        assert_eq!(error.kind(), ErrorKind::Conflict);
        error.to_string()
    };
    let (parent, _) = folder();
    let location = BackupLocation::folder(parent.path().join("finished"));
    write(&location, header("b"), 0..1).await;
    assert!(refused(&location).await.contains("there is a backup already"));
    let (_unfinished, location) = folder();
    create(&location, header("b")).await;
    assert!(refused(&location).await.contains("resume or discard it"));
    for name in ["notes.txt", "part-00000.ndjson.zst", ".manifest.json.x.tmp"] {
        let (foreign, location) = folder();
        std::fs::write(foreign.path().join(name), "x").expect("written");
        assert!(refused(&location).await.contains(name), "{name}");
    }
    assert!(refused(&BackupLocation::folder(parent.path())).await.contains("not empty"));
}

#[tokio::test]
async fn files_that_an_interrupted_writer_left_behind_are_deleted() {
    let (folder, location) = folder();
    let mut writer = create(&location, header("b")).await;
    writer.push(&document(0)).await.expect("pushed");
    writer.suspend(json!(1)).await.expect("suspended");
    drop(writer);
    for name in ["part-00001.ndjson.zst", "part-00007.ndjson.zst", ".manifest.json.0123456789abcdef.tmp"] {
        std::fs::write(folder.path().join(name), "torn").expect("written");
    }
    let mut writer = resume(&location).await;
    assert_eq!((writer.cursor(), writer.segments().len()), (&json!(1), 1));
    writer.push(&document(1)).await.expect("pushed");
    writer.finish(json!("end"), time(5)).await.expect("finished");
    assert!(verify(&location).await.expect("verified").is_sound());
    assert_eq!(read(&location).await.expect("read").0, documents(0..2));
    match BackupWriter::resume(location).await.expect("resumed") {
        Resumed::Finished(manifest) => assert_eq!(manifest.documents, 2),
        Resumed::Unfinished(_) => panic!("the backup is finished"),
    }
}

#[tokio::test]
async fn a_backup_without_a_recorded_segment_is_not_resumed() {
    let (folder, location) = folder();
    let mut writer = create(&location, header("b")).await;
    writer.push(&document(0)).await.expect("pushed");
    writer.suspend(json!(1)).await.expect("suspended");
    std::fs::remove_file(folder.path().join("part-00000.ndjson.zst")).expect("removed");
    let error = BackupWriter::resume(location).await.map(|_| ()).expect_err("refused");
    assert!(error.to_string().contains("part-00000.ndjson.zst is missing"), "{error}");
}

#[tokio::test]
async fn an_unfinished_backup_can_be_discarded_and_a_finished_one_cannot() {
    let (folder, location) = folder();
    let mut writer = create(&location, header("b")).await;
    writer.push(&document(0)).await.expect("pushed");
    writer.suspend(json!(1)).await.expect("suspended");
    BackupWriter::discard(&location).await.expect("discarded");
    assert_eq!(std::fs::read_dir(folder.path()).expect("folder").count(), 0);
    assert_eq!(BackupWriter::resume(location.clone()).await.map(|_| ()).expect_err("none").kind(), ErrorKind::NotFound);
    write(&location, header("b"), 0..1).await;
    assert_eq!(BackupWriter::discard(&location).await.expect_err("finished").kind(), ErrorKind::Conflict);
}

#[tokio::test]
async fn the_older_of_two_concurrent_writers_stops() {
    let (_folder, location) = folder();
    let mut older = create(&location, header("b")).await;
    older.push(&document(0)).await.expect("pushed");
    older.suspend(json!(1)).await.expect("suspended");
    older.push(&document(100)).await.expect("pushed");
    let mut newer = resume(&location).await;
    // The older writer still creates its segment, with the name that the newer one uses next.
    assert_eq!(older.suspend(json!(2)).await.expect_err("overtaken").kind(), ErrorKind::PreconditionFailed);
    assert_eq!(older.push(&document(101)).await.expect_err("broken").kind(), ErrorKind::Unavailable);
    newer.push(&document(1)).await.expect("pushed");
    newer.suspend(json!(2)).await.expect("suspended");
    assert!(older.finish(Value::Null, time(5)).await.is_err());
    newer.finish(Value::Null, time(6)).await.expect("finished");
    assert!(verify(&location).await.expect("verified").is_sound());
    assert_eq!(read(&location).await.expect("read").0, documents(0..2));
}

/// What happens to the writer of a backup of the documents 0, 1, 2 …
#[derive(Clone, Debug)]
enum Step {
    Push(u64),
    Mark,
    Suspend,
    /// The writer is dropped and another one resumes.
    Die,
    /// Another writer resumes although the first one still runs.
    Overtake,
    /// A writer that was overtaken writes.
    WriteOvertaken,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        3 => (1u64..20).prop_map(Step::Push),
        2 => Just(Step::Mark),
        2 => Just(Step::Suspend),
        1 => Just(Step::Die),
        1 => Just(Step::Overtake),
        1 => Just(Step::WriteOvertaken),
    ];
    proptest::collection::vec(step, 0..40)
}

async fn run_steps(steps: Vec<Step>) {
    let (_folder, location) = folder();
    let mut writer = create(&location, header("b")).await;
    let mut overtaken = Vec::new();
    let mut next = 0;
    for step in steps {
        match step {
            Step::Push(count) => {
                for _ in 0..count {
                    writer.push(&document(next)).await.expect("pushed");
                    next += 1;
                }
            }
            Step::Mark => writer.mark(json!(next)).await.expect("marked"),
            Step::Suspend => writer.suspend(json!(next)).await.expect("suspended"),
            Step::Die => writer = resume(&location).await,
            Step::Overtake => {
                let older = std::mem::replace(&mut writer, resume(&location).await);
                overtaken.push(older);
            }
            Step::WriteOvertaken => {
                if let Some(mut older) = overtaken.pop() {
                    older.push(&document(1_000_000)).await.expect("pushed");
                    assert!(older.suspend(json!(0)).await.is_err());
                }
            }
        }
        if matches!(step, Step::Die | Step::Overtake) {
            next = writer.cursor().as_u64().unwrap_or_default();
        }
    }
    writer.finish(json!(next), time(5)).await.expect("finished");
    assert_eq!(read(&location).await.expect("read").0, documents(0..next));
    let damages = verify(&location).await.expect("verified").damages;
    assert!(damages.is_empty(), "{damages:?}");
}

#[test]
fn a_finished_backup_has_each_document_once_after_any_sequence_of_writers() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("runtime");
    let mut runner = TestRunner::new(ProptestConfig { cases: 48, failure_persistence: None, ..Default::default() });
    let outcome = runner.run(&steps(), |steps| {
        runtime.block_on(run_steps(steps));
        Ok(())
    });
    outcome.expect("every backup is complete");
}

#[tokio::test]
async fn segments_are_recorded_with_their_kinds_and_counts() {
    let (_folder, location) = folder();
    let manifest = write(&location, header("b"), 0..100).await;
    assert!(manifest.segments.iter().all(|segment| segment.kind == SegmentKind::Documents && segment.count == 100));
}
