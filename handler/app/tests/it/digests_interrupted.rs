//! Digests are written and compared by workers that are killed, and by several at once.

use changefeed_jobs::JobState;
use rand::SeedableRng;
use rand::rngs::SmallRng;
use serde_json::json;

use crate::support::World;
use crate::support::digests::{
    HOUR, LATER, at, digest_files, digest_lines, start_digests, start_verifying, verify_digests, write, write_digests,
};
use crate::support::jobs::{finish, finish_under_faults};
use crate::support::verify::{delete_record, finding_summaries, overwrite_record, verification_result};

const HOURS: i64 = 8;

/// A history of several hours, some of them with many versions.
async fn history(world: &World) {
    for hour in 0..HOURS {
        let changefeed = at(world, hour * HOUR);
        let ids: Vec<String> = (0..30 * (hour % 3) + 2).map(|number| number.to_string()).collect();
        let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
        write(world, &changefeed, &ids, &format!("text {hour}")).await;
    }
}

#[tokio::test]
async fn workers_that_are_killed_write_every_version_once_and_find_the_same() {
    let world = World::new().await;
    history(&world).await;
    let changefeed = at(&world, HOURS * HOUR + LATER);
    let mut random = SmallRng::seed_from_u64(7);
    let (whole, interrupted) = (tempfile::tempdir().expect("folder"), tempfile::tempdir().expect("folder"));
    let expected = write_digests(&changefeed, whole.path()).await;
    let id = start_digests(&changefeed, interrupted.path()).await;
    let lifetime = |slice: u32| if slice < 40 { 5..150 } else { 3000..8000 };
    assert_eq!(finish_under_faults(&world, &changefeed, &id, &mut random, lifetime).await, JobState::Done);
    assert_eq!(changefeed.digests.show(&id).await.expect("a job").counts, expected.counts);
    // A slice that ends cuts an hour into several files, so only the versions are the same.
    let versions = |folder: &tempfile::TempDir| {
        let lines = digest_lines(folder.path());
        lines.into_iter().filter(|line| line.get("id").is_some()).collect::<Vec<_>>()
    };
    assert_eq!(versions(&interrupted), versions(&whole));
    assert_eq!(versions(&whole).len() as u64, expected.counts.versions);

    let all = world.versions().await;
    let mut records = all.values();
    for record in records.by_ref().take(9) {
        delete_record(&world, record).await;
    }
    for record in records.step_by(20) {
        let mut record = record.clone();
        record["document"]["text"] = json!("another text");
        overwrite_record(&world, record).await;
    }
    let (_, expected) = verify_digests(&changefeed, whole.path()).await;
    assert!(expected.len() > 12, "{expected:?}");
    let id = start_verifying(&changefeed, interrupted.path()).await;
    let state = finish_under_faults(&world, &changefeed, &id, &mut random, lifetime).await;
    let (record, found) = verification_result(&changefeed, &id).await;
    assert_eq!((state, finding_summaries(&found)), (JobState::Findings, finding_summaries(&expected)));
    assert_eq!((record.counts.found(), record.counts.versions), (expected.len() as u64, versions(&whole).len() as u64));
}

#[tokio::test]
async fn two_writers_at_once_continue_one_chain() {
    let world = World::new().await;
    history(&world).await;
    let changefeed = at(&world, HOURS * HOUR + LATER);
    let folder = tempfile::tempdir().expect("folder");
    // A job that is under way is not started again; under another name of the folder there are two.
    let (one, same) =
        (start_digests(&changefeed, folder.path()).await, start_digests(&changefeed, folder.path()).await);
    assert_eq!(one, same);
    let other = start_digests(&changefeed, &folder.path().join(".")).await;
    assert_ne!(one, other);
    let ended = tokio::join!(finish(&changefeed, &one), finish(&changefeed, &other));
    assert_eq!(ended, (JobState::Done, JobState::Done));
    let alone = tempfile::tempdir().expect("folder");
    write_digests(&changefeed, alone.path()).await;
    assert_eq!(digest_files(folder.path()), digest_files(alone.path()));
    let (record, findings) = verify_digests(&changefeed, folder.path()).await;
    assert_eq!((record.state, findings), (JobState::Done, Vec::new()));
}
