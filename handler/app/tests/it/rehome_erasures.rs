//! Erased documents when a history is moved.

use changefeed_jobs::JobState;
use changefeed_operations::ErasureRequest;
use serde_json::json;

use crate::support::World;
use crate::support::jobs::{capture, finish, run_slice_until};
use crate::support::raw_items::assert_nowhere;
use crate::support::rehome::{deliver, library, moved, request};

#[tokio::test]
async fn what_is_erased_there_during_a_move_is_refused_here_when_it_ends() {
    let (old, new) = (World::new().await, World::new().await);
    let (of_old, changefeed) = (library(&old, &new), library(&new, &old));
    let mut stored = Vec::new();
    for n in 0..40 {
        let id = if n == 0 { "ann".to_owned() } else { format!("order-{n}") };
        stored.push(old.put("a", json!({"id": id, "pk": "a", "n": n})).await);
    }
    capture(&of_old, &stored).await;
    let of = request(json!({"from": {"connection": "OldCosmosDB", "changes": "changes", "jobs": "jobs"}}));
    let job = changefeed.rehomes.create_job(&of).await.expect("a job");
    run_slice_until(&changefeed, &job.id, async || !new.versions().await.is_empty()).await;
    let erase: ErasureRequest =
        serde_json::from_value(json!({"documents": [{"id": "ann", "pk": "a"}], "confirm": 1})).expect("request");
    let erasure = of_old.erasures.create_job(&erase).await.expect("a job");
    assert_eq!(finish(&of_old, &erasure.id).await, JobState::Done);
    finish(&changefeed, &job.id).await;
    let view = changefeed.rehomes.show(&job.id).await.expect("a move");
    assert_eq!(view.state, JobState::Done, "{view:?}");
    let before = new.versions().await.len();
    let ann = new.put("a", json!({"id": "ann", "pk": "a", "n": 100})).await;
    capture(&library(&new, &old), &[ann]).await;
    assert_eq!(new.versions().await.len(), before, "the document is refused here too");
}

#[tokio::test]
async fn a_dead_letter_of_an_erased_document_is_not_moved() {
    let (old, new) = (World::new().await, World::new().await);
    let (of_old, changefeed) = (library(&old, &new), library(&new, &old));
    deliver(
        &of_old,
        &[json!({"id": "ann", "pk": "a", "text": "no etag"}), json!({"id": "bob", "pk": "a", "text": "no etag"})],
    )
    .await;
    let kept = old.put("a", json!({"id": "bob", "pk": "a"})).await;
    capture(&of_old, &[kept]).await;
    let erase: ErasureRequest =
        serde_json::from_value(json!({"documents": [{"id": "ann", "pk": "a"}], "confirm": 1})).expect("request");
    let job = changefeed.erasures.create_job(&erase).await.expect("a job");
    assert_eq!(finish(&changefeed, &job.id).await, JobState::Done);
    let of = json!({"from": {"connection": "OldCosmosDB", "changes": "changes", "deadLetters": "dead-letters"}});
    let view = moved(&changefeed, of).await;
    assert_eq!((view.state, view.counts.dead_letters, view.counts.erased), (JobState::Done, 1, 1), "{view:?}");
    assert_nowhere(&new, &["ann"]).await;
}
