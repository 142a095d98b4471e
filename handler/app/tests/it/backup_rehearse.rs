//! A rehearsal restores a backup into a container of its own, finds every difference, and removes that container and no other, also after a
//! kill.

use std::collections::BTreeSet;
use std::time::Duration;

use azure_data_cosmos::models::ContainerProperties;
use changefeed_cosmos::ErrorKind;
use changefeed_jobs::{JobOptions, JobState};
use changefeed_operations::{Changefeed, Rehearsal, RehearsalReport};
use chrono::Utc;
use futures::TryStreamExt;
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};

use crate::backup_policy::{Setup, days};
use crate::support::backups::live_documents;
use crate::support::jobs::{finish, small_limits};
use crate::support::{CommandLine, DEADLINE, World, until};

/// The names of the containers.
async fn containers(world: &World) -> BTreeSet<String> {
    let database = world.client.sdk().database_client("dev");
    let found = database.query_containers("SELECT * FROM c", None).await.expect("query");
    let found: Vec<ContainerProperties> = found.try_collect().await.expect("containers");
    found.into_iter().map(|container| container.id.to_string()).collect()
}

/// A chain of a full backup and two increments, with documents that were changed and deleted between them. Returns its locations.
async fn chain(setup: &mut Setup) -> Vec<String> {
    setup.set(json!({"fullEvery": "30d"})).await;
    let start = Utc::now();
    let mut locations = Vec::new();
    for day in 0..3 {
        for n in 0..20 {
            setup.put(&format!("item-{day}-{n}"), n).await;
        }
        setup.put("changing", day).await;
        if day > 0 {
            setup.delete(&format!("item-{}-0", day - 1)).await;
        }
        let backup = setup.back_up_at(start + days(day)).await;
        assert_eq!(backup.request.get("incrementalFrom").is_none(), day == 0, "{backup:?}");
        locations.push(backup.location().to_owned());
    }
    locations
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_rehearses_a_chain_and_leaves_nothing_behind() {
    let mut setup = Setup::start().await;
    let locations = chain(&mut setup).await;
    let before = (containers(&setup.world).await, live_documents(&setup.world).await);
    let documents = before.1.len() as u64;
    let command = CommandLine::new(&setup.world);
    let newest = locations.last().expect("a location").as_str();
    // An increment is restored with what it continues; without a location it is the newest of the policy.
    for arguments in [vec![newest], vec![], locations.iter().map(String::as_str).collect()] {
        let (code, report) = command.json(&[&["backup", "rehearse"], &arguments[..]].concat()).await;
        let report_counts = ["restored", "same", "different", "unexpected", "erased"]
            .map(|name| report[name].as_u64().expect("a number"));
        assert_eq!((code, report_counts), (0, [documents, documents, 0, 0, 0]), "{arguments:?}: {report}");
        assert_eq!(report["locations"], json!(locations), "{arguments:?}");
        assert!(report["requestCharge"].as_f64().is_some_and(|charge| charge > 0.0), "{report}");
    }
    let (code, text) = command.text(&["backup", "rehearse", &locations[0], "--into", "mine"]).await;
    assert!(code == 0 && text.contains("0 different") && text.contains("container mine was removed"), "{code}: {text}");
    // A container that exists is refused and not touched.
    for name in ["events", "jobs"] {
        let (code, text) = command.text(&["backup", "rehearse", &locations[0], "--into", name]).await;
        assert!(code == 1 && text.contains(&format!("container {name} exists")), "{code}: {text}");
    }
    let (code, text) = command.text(&["backup", "rehearse", &setup.to()]).await;
    assert!(code == 2 && text.contains("there is no backup"), "{code}: {text}");
    assert_eq!((containers(&setup.world).await, live_documents(&setup.world).await), before);
    assert_eq!(setup.world.query("jobs", "SELECT * FROM c WHERE c.kind = 'rehearsal'").await, Vec::<Value>::new());
}

/// Runs both jobs; `between` changes the container after the restore.
async fn rehearse(changefeed: &Changefeed, rehearsal: &mut Rehearsal, between: impl AsyncFn(&str)) -> RehearsalReport {
    let restore = changefeed.rehearsals.start(rehearsal, false, None, None).await.expect("a job");
    assert_eq!(finish(changefeed, &restore.id).await, JobState::Done);
    between(rehearsal.container()).await;
    let comparison = changefeed.rehearsals.start(rehearsal, true, None, None).await.expect("a job");
    finish(changefeed, &comparison.id).await;
    changefeed.rehearsals.report(rehearsal, Duration::ZERO).await.expect("a report")
}

#[tokio::test]
async fn every_difference_is_found() {
    let mut setup = Setup::start().await;
    let locations = chain(&mut setup).await;
    let documents = live_documents(&setup.world).await.len() as u64;
    let rehearsals = &setup.changefeed.rehearsals;
    let mut rehearsal = rehearsals.begin(locations, None, "test").await.expect("begun");
    let name = rehearsal.container().to_owned();
    let report = rehearse(&setup.changefeed, &mut rehearsal, async |name| {
        let container = setup.world.container(name).await;
        container.delete_item("a", "item-2-5", None).await.expect("deleted");
        for document in [
            json!({"id": "changing", "pk": "a", "n": 1}),
            // The second increment has its deletion.
            json!({"id": "item-1-0", "pk": "a", "n": 0}),
        ] {
            let id = document["id"].as_str().expect("id").to_owned();
            container.upsert_item("a", &id, document, None).await.expect("written");
        }
    })
    .await;
    assert_eq!((report.restored, report.same, report.different), (documents, documents - 2, 2), "{report:?}");
    assert_eq!(report.unexpected, 1, "{report:?}");
    let found: BTreeSet<String> =
        report.differences.iter().map(|item| format!("{} {:?}", item.id, item.action)).collect();
    let expected = ["changing Replace", "item-2-5 Create"].map(str::to_owned);
    assert_eq!(found, BTreeSet::from(expected));
    rehearsals.end(&rehearsal).await.expect("ended");
    assert!(!containers(&setup.world).await.contains(&name));
}

#[tokio::test]
async fn a_container_that_a_killed_rehearsal_left_is_removed_and_no_other_one() {
    let mut setup = Setup::start().await;
    let locations = chain(&mut setup).await;
    let before = containers(&setup.world).await;
    // The claim of a process that was killed ends soon.
    let changefeed = setup.world.changefeed(|options| {
        options.jobs = JobOptions { claim: Duration::from_millis(300), ..small_limits() };
    });
    let rehearsals = &changefeed.rehearsals;
    let mut random = SmallRng::seed_from_u64(3);
    for round in 0..12 {
        let lifetime = Duration::from_millis(random.random_range(0..250));
        let run = async {
            let mut rehearsal = rehearsals.begin(locations.clone(), None, "killed").await?;
            for compare in [false, true] {
                let job = rehearsals.start(&mut rehearsal, compare, None, None).await?;
                finish(&changefeed, &job.id).await;
            }
            Ok::<(), changefeed_cosmos::Error>(())
        };
        if let Ok(Err(error)) = tokio::time::timeout(lifetime, run).await {
            // One that was killed a moment ago counts as alive.
            assert_eq!(error.kind(), ErrorKind::Conflict, "round {round}: {error}");
        }
        assert!(containers(&setup.world).await.len() <= before.len() + 1, "round {round}: at most one is left");
    }
    // A container of this name that no rehearsal has created stays.
    setup.world.create("mine", &["/pk"]).await;
    let jobs = setup.world.container("jobs").await;
    let stale = json!({"id": "rehearsal", "kind": "rehearsal", "container": "mine", "by": "killed", "restores": [],
        "until": "2026-01-01T00:00:00.000Z", "schema": 1});
    let left = setup.world.query("jobs", "SELECT * FROM c WHERE c.kind = 'rehearsal'").await;
    until("the end of the claims of killed processes", DEADLINE, async || {
        match rehearsals.begin(locations.clone(), None, "alive").await {
            Ok(rehearsal) => {
                rehearsals.end(&rehearsal).await.expect("ended");
                true
            }
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Conflict, "{error}: {left:?}");
                false
            }
        }
    })
    .await;
    jobs.upsert_item("rehearsal", "rehearsal", stale, None).await.expect("upserted");
    let mut rehearsal = rehearsals.begin(locations.clone(), None, "alive").await.expect("begun");
    let second = rehearsals.begin(locations, None, "another").await.expect_err("one at a time");
    assert!(second.kind() == ErrorKind::Conflict && second.to_string().contains("alive rehearses"), "{second}");
    let report = rehearse(&changefeed, &mut rehearsal, async |_| ()).await;
    assert_eq!(report.different, 0, "{report:?}");
    rehearsals.end(&rehearsal).await.expect("ended");
    let mut expected = before;
    expected.insert("mine".to_owned());
    assert_eq!(containers(&setup.world).await, expected);
}
