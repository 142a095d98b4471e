//! Writers that take turns, break off, or believe to be alone.

use changefeed_history::ErrorKind;
use changefeed_history::backup::{
    BackupDocument, BackupReader, BackupWriter, Place, Resumed, SegmentKind, check_chain, verify,
};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};

use crate::shelf::{create, deletion, document, documents, folder, header, incremental, read, resume, time, write};

#[tokio::test]
async fn a_backup_is_read_back_as_it_was_written() {
    let (_folder, place) = folder();
    let manifest = write(&place, header("b"), 0..250).await;
    assert_eq!((manifest.documents, manifest.deletions, manifest.segments.len()), (250, 0, 3));
    assert_eq!(read(&place).await.expect("read"), (documents(0..250), Vec::new()));
    let verification = verify(&place).await.expect("verified");
    assert!(verification.is_sound(), "{verification:?}");
    assert_eq!((verification.segments, verification.documents), (3, 250));
    assert_eq!(verification.manifest, Some(manifest));
}

#[tokio::test]
async fn a_backup_of_nothing_is_whole_too() {
    let (_folder, place) = folder();
    let manifest = write(&place, header("b"), 0..0).await;
    assert!(manifest.segments.is_empty());
    assert_eq!(read(&place).await.expect("read"), (Vec::new(), Vec::new()));
    assert!(verify(&place).await.expect("verified").is_sound());
}

#[tokio::test]
async fn a_full_segment_is_cut_and_the_memory_for_it_is_bounded() {
    let (_folder, place) = folder();
    let mut writer = create(&place, header("b")).await;
    // Text that hardly packs: random letters.
    let mut state = 1u64;
    for number in 0..20u64 {
        let letters = (0..1_500_000).map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            char::from(b'!' + (state >> 33) as u8 % 90)
        });
        let value = json!({"id": number.to_string(), "text": letters.collect::<String>(), "_ts": 1, "_etag": "e"});
        writer.push(&BackupDocument::of_live(value).expect("document")).await.expect("pushed");
        writer.mark(json!(number)).await.expect("marked");
    }
    assert!(writer.cursor().as_u64().is_some_and(|cursor| cursor < 19), "a small rest is not recorded");
    let manifest = writer.finish(Value::Null, time(5)).await.expect("finished");
    assert!(manifest.segments.len() >= 3);
    assert!(manifest.segments.iter().all(|segment| segment.compressed_bytes < 11_000_000));
    assert!(verify(&place).await.expect("verified").is_sound());
}

#[tokio::test]
async fn a_reader_goes_on_where_another_stopped() {
    let (_folder, place) = folder();
    write(&place, header("b"), 0..250).await;
    let mut reader = BackupReader::open(place.clone()).await.expect("open");
    for _ in 0..150 {
        reader.next().await.expect("line").expect("a line");
    }
    assert_eq!(reader.position(), 1);
    let mut next = BackupReader::open(place).await.expect("open");
    next.skip_to(reader.position());
    let mut left = 0;
    while next.next().await.expect("line").is_some() {
        left += 1;
    }
    assert_eq!((left, next.position()), (150, 3));
}

#[tokio::test]
async fn an_increment_holds_what_changed_and_what_is_gone() {
    let (_folder, base) = folder();
    let (_other, place) = folder();
    write(&base, header("base"), 0..10).await;
    let reader = BackupReader::open(base).await.expect("open");
    let (manifest, digest) = (reader.manifest().clone(), reader.digest());
    let mut writer = create(&place, incremental("increment", (&manifest, digest))).await;
    writer.push(&document(11)).await.expect("pushed");
    writer.push_deletion(&deletion(3)).await.expect("pushed");
    writer.push(&document(4)).await.expect("pushed");
    let increment = writer.finish(Value::Null, time(9)).await.expect("finished");
    assert_eq!((increment.documents, increment.deletions), (2, 1));
    assert_eq!(read(&place).await.expect("read"), (documents([11, 4]), vec![deletion(3)]));
    assert!(verify(&place).await.expect("verified").is_sound());
    let increment_digest = BackupReader::open(place).await.expect("open").digest();
    assert_eq!(check_chain(&[(manifest, digest), (increment, increment_digest)]), Ok(()));
}

#[tokio::test]
async fn a_full_backup_has_no_deletions() {
    let (_folder, place) = folder();
    let mut writer = create(&place, header("b")).await;
    let error = writer.push_deletion(&deletion(1)).await.expect_err("refused");
    assert_eq!(error.kind(), ErrorKind::Invalid);
}

#[tokio::test]
async fn a_place_that_is_not_empty_is_left_alone() {
    let refused = async |place: &Place| {
        let error = BackupWriter::create(place.clone(), header("b")).await.map(|_| ()).expect_err("refused");
        assert_eq!(error.kind(), ErrorKind::Conflict);
        error.to_string()
    };
    let (finished, place) = folder();
    write(&place, header("b"), 0..1).await;
    assert!(refused(&place).await.contains("there is a backup already"));
    let (_unfinished, place) = folder();
    create(&place, header("b")).await;
    assert!(refused(&place).await.contains("continue it, or discard it"));
    for name in ["notes.txt", "part-00000.ndjson.zst", ".manifest.json.x.tmp"] {
        let (foreign, place) = folder();
        std::fs::write(foreign.path().join(name), "x").expect("written");
        assert!(refused(&place).await.contains(name), "{name}");
    }
    assert!(refused(&Place::folder(finished.path().parent().expect("parent"))).await.contains("not empty"));
}

#[tokio::test]
async fn what_a_dead_writer_left_is_cleaned_away() {
    let (folder, place) = folder();
    let mut writer = create(&place, header("b")).await;
    writer.push(&document(0)).await.expect("pushed");
    writer.suspend(json!(1)).await.expect("suspended");
    drop(writer);
    for name in ["part-00001.ndjson.zst", "part-00007.ndjson.zst", ".manifest.json.0123456789abcdef.tmp"] {
        std::fs::write(folder.path().join(name), "torn").expect("written");
    }
    let mut writer = resume(&place).await;
    assert_eq!((writer.cursor(), writer.segments().len()), (&json!(1), 1));
    writer.push(&document(1)).await.expect("pushed");
    writer.finish(json!("end"), time(5)).await.expect("finished");
    assert!(verify(&place).await.expect("verified").is_sound());
    assert_eq!(read(&place).await.expect("read").0, documents(0..2));
    match BackupWriter::resume(place).await.expect("resumed") {
        Resumed::Finished(manifest) => assert_eq!(manifest.documents, 2),
        Resumed::Unfinished(_) => panic!("it is finished"),
    }
}

#[tokio::test]
async fn a_backup_that_lost_a_recorded_segment_does_not_go_on() {
    let (folder, place) = folder();
    let mut writer = create(&place, header("b")).await;
    writer.push(&document(0)).await.expect("pushed");
    writer.suspend(json!(1)).await.expect("suspended");
    std::fs::remove_file(folder.path().join("part-00000.ndjson.zst")).expect("removed");
    let error = BackupWriter::resume(place).await.map(|_| ()).expect_err("refused");
    assert!(error.to_string().contains("part-00000.ndjson.zst is missing"), "{error}");
}

#[tokio::test]
async fn an_unfinished_backup_can_be_discarded_and_a_finished_one_not() {
    let (folder, place) = folder();
    let mut writer = create(&place, header("b")).await;
    writer.push(&document(0)).await.expect("pushed");
    writer.suspend(json!(1)).await.expect("suspended");
    BackupWriter::discard(&place).await.expect("discarded");
    assert_eq!(std::fs::read_dir(folder.path()).expect("folder").count(), 0);
    assert_eq!(BackupWriter::resume(place.clone()).await.map(|_| ()).expect_err("none").kind(), ErrorKind::NotFound);
    write(&place, header("b"), 0..1).await;
    assert_eq!(BackupWriter::discard(&place).await.expect_err("finished").kind(), ErrorKind::Conflict);
}

#[tokio::test]
async fn of_two_writers_the_former_one_stops() {
    let (_folder, place) = folder();
    let mut former = create(&place, header("b")).await;
    former.push(&document(0)).await.expect("pushed");
    former.suspend(json!(1)).await.expect("suspended");
    former.push(&document(100)).await.expect("pushed");
    let mut latter = resume(&place).await;
    // The former writer still makes its segment, under the name that the latter one will want.
    assert_eq!(former.suspend(json!(2)).await.expect_err("overtaken").kind(), ErrorKind::PreconditionFailed);
    assert_eq!(former.push(&document(101)).await.expect_err("broken").kind(), ErrorKind::Unavailable);
    latter.push(&document(1)).await.expect("pushed");
    latter.suspend(json!(2)).await.expect("suspended");
    assert!(former.finish(Value::Null, time(5)).await.is_err());
    latter.finish(Value::Null, time(6)).await.expect("finished");
    assert!(verify(&place).await.expect("verified").is_sound());
    assert_eq!(read(&place).await.expect("read").0, documents(0..2));
}

/// What may happen to whoever writes a backup of the documents 0, 1, 2 …
#[derive(Clone, Debug)]
enum Step {
    Push(u64),
    Mark,
    Suspend,
    /// The writer is gone, and another one goes on.
    Die,
    /// Another one goes on although the writer lives.
    Overtake,
    /// One that was overtaken does something.
    Haunt,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        3 => (1u64..20).prop_map(Step::Push),
        2 => Just(Step::Mark),
        2 => Just(Step::Suspend),
        1 => Just(Step::Die),
        1 => Just(Step::Overtake),
        1 => Just(Step::Haunt),
    ];
    proptest::collection::vec(step, 0..40)
}

async fn play(steps: Vec<Step>) {
    let (_folder, place) = folder();
    let mut writer = create(&place, header("b")).await;
    let mut ghosts = Vec::new();
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
            Step::Die => writer = resume(&place).await,
            Step::Overtake => {
                let ghost = std::mem::replace(&mut writer, resume(&place).await);
                ghosts.push(ghost);
            }
            Step::Haunt => {
                if let Some(mut ghost) = ghosts.pop() {
                    ghost.push(&document(1_000_000)).await.expect("pushed");
                    assert!(ghost.suspend(json!(0)).await.is_err());
                }
            }
        }
        if matches!(step, Step::Die | Step::Overtake) {
            next = writer.cursor().as_u64().unwrap_or_default();
        }
    }
    writer.finish(json!(next), time(5)).await.expect("finished");
    assert_eq!(read(&place).await.expect("read").0, documents(0..next));
    let damages = verify(&place).await.expect("verified").damages;
    assert!(damages.is_empty(), "{damages:?}");
}

#[test]
fn whatever_happens_to_its_writers_a_finished_backup_has_each_document_once() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("runtime");
    let mut runner = TestRunner::new(ProptestConfig { cases: 48, failure_persistence: None, ..Default::default() });
    let outcome = runner.run(&steps(), |steps| {
        runtime.block_on(play(steps));
        Ok(())
    });
    outcome.expect("every story ends well");
}

#[tokio::test]
async fn segments_say_what_they_hold() {
    let (_folder, place) = folder();
    let manifest = write(&place, header("b"), 0..100).await;
    assert!(manifest.segments.iter().all(|segment| segment.kind == SegmentKind::Documents && segment.count == 100));
}
