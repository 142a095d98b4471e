//! The backup policy: which backups it takes, while several instances look at it and are killed at random times.

use std::time::Duration;

use changefeed_backup_format::{BackupLocation, Inventory};
use changefeed_history::TimeZone;
use changefeed_jobs::JobState;
use changefeed_operations::{
    BackupView, Changefeed, DeletesKnown, Keep, PolicyEvent, PolicyLook, PolicyView, PruneAction, PruneRequest,
};
use chrono::{DateTime, TimeDelta, Utc};
use local_cosmos::{Effect, Fault, LoggedKind, RequestKind};
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::backups::{delete_event, live_documents, run_restore, truncate};
use crate::support::digests::{LATER, at, digest_files, set_clock, verify_digests, write};
use crate::support::jobs::{capture, finish, small_limits};
use crate::support::verify::{finding_summaries, overwrite_record};
use crate::support::{CommandLine, World, version_id};

/// A container whose deletes are captured, and a folder for backups.
pub struct Setup {
    pub world: World,
    pub changefeed: Changefeed,
    folder: TempDir,
    lsn: i64,
}

impl Setup {
    pub async fn start() -> Self {
        let world = World::new().await;
        let changefeed = world.changefeed(|options| options.jobs = small_limits());
        Self { world, changefeed, folder: tempfile::tempdir().expect("folder"), lsn: 1_000_000 }
    }

    pub fn to(&self) -> String {
        self.folder.path().join("backups").to_string_lossy().into_owned()
    }

    /// Sets a policy for every day at midnight, with these changes.
    pub async fn set(&self, changes: Value) -> PolicyView {
        let mut policy = json!({"to": self.to(), "every": "1d"});
        policy.as_object_mut().expect("object").extend(changes.as_object().expect("object").clone());
        let policy = serde_json::from_value(policy).expect("a policy");
        self.changefeed.backup_policy.set(policy, &TimeZone::UTC).await.expect("set")
    }

    pub async fn put(&mut self, id: &str, n: i64) {
        let mut stored = self.world.put("a", json!({"id": id, "pk": "a", "n": n})).await;
        self.lsn += 1;
        stored["_lsn"] = json!(self.lsn);
        capture(&self.changefeed, &[stored]).await;
    }

    pub async fn delete(&mut self, id: &str) {
        self.world.container("events").await.delete_item("a", id, None).await.expect("deleted");
        self.lsn += 1;
        capture(&self.changefeed, &[delete_event("a", id, self.lsn)]).await;
    }

    pub async fn look_at(&self, now: DateTime<Utc>) -> PolicyLook {
        self.changefeed.backup_policy.look_at(now, &DeletesKnown::Yes).await.expect("a look")
    }

    /// Takes the backup that is due at a time, to its end.
    pub async fn back_up_at(&self, now: DateTime<Utc>) -> BackupView {
        self.back_up_with(now, &DeletesKnown::Yes).await
    }

    pub async fn back_up_with(&self, now: DateTime<Utc>, deletes: &DeletesKnown) -> BackupView {
        let look = self.changefeed.backup_policy.look_at(now, deletes).await.expect("a look");
        let id = started(&look).unwrap_or_else(|| panic!("nothing was started: {look:?}"));
        assert_eq!(finish(&self.changefeed, &id).await, JobState::Done);
        let look = self.changefeed.backup_policy.look_at(now, deletes).await.expect("a look");
        assert_eq!(look.events.first(), Some(&PolicyEvent::Ended(id.clone(), JobState::Done)), "{look:?}");
        self.changefeed.backups.show(&id).await.expect("a backup")
    }

    pub async fn jobs(&self) -> Vec<Value> {
        self.world.query("jobs", "SELECT * FROM c WHERE c.kind = 'backup' ORDER BY c.id").await
    }

    pub async fn digest_jobs(&self) -> Vec<Value> {
        self.world.query("jobs", "SELECT * FROM c WHERE c.kind = 'digest' ORDER BY c.id").await
    }

    /// The policy as it is shown.
    pub async fn shown(&self) -> PolicyView {
        self.changefeed.backup_policy.show().await.expect("read").expect("a policy")
    }

    pub async fn inventory(&self) -> Inventory {
        Inventory::take(&BackupLocation::folder(self.to())).await.expect("inventory")
    }
}

pub fn started(look: &PolicyLook) -> Option<String> {
    look.events.iter().find_map(|event| match event {
        PolicyEvent::Started(id, _) => Some(id.clone()),
        _ => None,
    })
}

pub fn reason(backup: &BackupView) -> &str {
    backup.request["reason"].as_str().expect("a reason")
}

pub fn days(days: i64) -> TimeDelta {
    TimeDelta::days(days)
}

#[tokio::test]
async fn the_first_backup_is_a_full_one_and_increments_follow_until_the_next_full_one() {
    let mut setup = Setup::start().await;
    let view = setup.set(json!({"fullEvery": "3d", "reason": "orders", "requestedBy": "me"})).await;
    assert!(view.last.is_none() && view.next_run.is_some(), "{view:?}");
    let start = Utc::now();
    let mut locations: Vec<String> = Vec::new();
    let mut states = Vec::new();
    for day in 0..5 {
        setup.put(&format!("item-{day}"), day).await;
        setup.put("changing", day).await;
        if day > 1 {
            setup.delete(&format!("item-{}", day - 2)).await;
        }
        let backup = setup.back_up_at(start + days(day)).await;
        let is_full = day % 3 == 0;
        assert_eq!(backup.request.get("incrementalFrom").is_none(), is_full, "day {day}: {backup:?}");
        let expected = match day {
            0 => "a full backup, because there is no earlier backup at the location (orders)",
            3 => "a full backup, because a full one is due every 3d (orders)",
            _ => "an increment of ",
        };
        assert!(reason(&backup).contains(expected), "day {day}: {backup:?}");
        assert_eq!(backup.request["requestedBy"], "me");
        locations.push(backup.location().to_owned());
        states.push(live_documents(&setup.world).await);
        // A second look does nothing.
        let look = setup.look_at(start + days(day)).await;
        assert!(look.backup().is_none(), "{look:?}");
        assert!(
            matches!(look.events.first(), Some(PolicyEvent::NextAt(next)) if *next > start + days(day)),
            "{look:?}"
        );
    }
    let view = setup.changefeed.backup_policy.show().await.expect("read").expect("a policy");
    assert_eq!(view.last, view.last_done, "{view:?}");
    assert_eq!(view.last.and_then(|last| last.backup).map(|backup| backup.state), Some(JobState::Done));
    for (chain, state) in [(&locations[..3], &states[2]), (&locations[3..], &states[4]), (&locations[3..4], &states[3])]
    {
        truncate(&setup.changefeed).await;
        run_restore(&setup.changefeed, json!({"from": chain, "deleteCreatedAfter": chain.len() > 1})).await;
        assert_eq!(live_documents(&setup.world).await, *state, "{chain:?}");
    }
}

#[tokio::test]
async fn of_the_slots_that_were_missed_only_the_latest_is_made_up_for() {
    let mut setup = Setup::start().await;
    setup.put("1", 1).await;
    setup.set(json!({"every": "6h"})).await;
    // No slot is within a minute after the start of an hour.
    let hour = Utc::now().timestamp().div_euclid(3600) * 3600;
    let start = DateTime::from_timestamp(hour, 0).expect("a time");
    setup.back_up_at(start).await;
    setup.back_up_at(start + days(2)).await;
    setup.look_at(start + days(2) + TimeDelta::minutes(1)).await;
    assert_eq!(setup.jobs().await.len(), 2);
    // The clock of another instance may be behind.
    let look = setup.look_at(start + days(1)).await;
    assert!(started(&look).is_none(), "{look:?}");
}

#[tokio::test]
async fn a_backup_that_is_being_written_is_not_overlapped_by_the_next_one() {
    let mut setup = Setup::start().await;
    setup.put("1", 1).await;
    setup.set(json!({})).await;
    let start = Utc::now();
    let first = started(&setup.look_at(start).await).expect("a backup");
    for day in 0..3 {
        let look = setup.look_at(start + days(day)).await;
        assert_eq!(look.events.first(), Some(&PolicyEvent::Running(first.clone())), "{look:?}");
        assert!(started(&look).is_none(), "{look:?}");
    }
    assert_eq!(finish(&setup.changefeed, &first).await, JobState::Done);
    let second = setup.look_at(start + days(2)).await;
    assert!(started(&second).is_some(), "{second:?}");
    assert_eq!(setup.jobs().await.len(), 2);
}

#[tokio::test]
async fn a_failed_backup_is_followed_by_one_in_the_next_slot() {
    let mut setup = Setup::start().await;
    setup.put("1", 1).await;
    setup.set(json!({})).await;
    let start = Utc::now();
    let first = started(&setup.look_at(start).await).expect("a backup");
    let job = &setup.jobs().await[0];
    // A file is where the folder must be.
    std::fs::create_dir_all(setup.to()).expect("folder");
    std::fs::write(job["request"]["to"].as_str().expect("to"), "x").expect("written");
    assert_eq!(finish(&setup.changefeed, &first).await, JobState::Failed);
    let look = setup.look_at(start).await;
    assert_eq!(look.events.first(), Some(&PolicyEvent::Ended(first.clone(), JobState::Failed)), "{look:?}");
    assert!(started(&look).is_none(), "{look:?}");
    let view = setup.changefeed.backup_policy.show().await.expect("read").expect("a policy");
    assert!(view.last_done.is_none() && view.last.is_some_and(|last| last.id == first));
    setup.back_up_at(start + days(1)).await;
}

#[tokio::test]
async fn a_full_backup_is_taken_when_an_increment_could_not_be_restored() {
    let mut setup = Setup::start().await;
    setup.put("1", 1).await;
    setup.set(json!({"fullEvery": "60d"})).await;
    let start = Utc::now();
    let mut day = 0;
    let mut last = setup.back_up_at(start).await;
    let mut next = async |setup: &Setup, deletes: &DeletesKnown| {
        day += 1;
        setup.back_up_with(start + days(day), deletes).await
    };
    let segment = |backup: &BackupView| {
        let files = std::fs::read_dir(backup.location()).expect("folder").map(|entry| entry.expect("entry").path());
        files.into_iter().find(|path| path.extension().is_some_and(|end| end == "zst")).expect("a segment")
    };
    // The base is gone.
    std::fs::remove_dir_all(last.location()).expect("removed");
    last = next(&setup, &DeletesKnown::Yes).await;
    assert!(reason(&last).contains("is missing or damaged"), "{last:?}");
    // Its manifest is damaged.
    std::fs::write(format!("{}/manifest.json", last.location()), "{").expect("written");
    last = next(&setup, &DeletesKnown::Yes).await;
    assert!(reason(&last).contains("is missing or damaged"), "{last:?}");
    // A segment of the full backup is gone, below an increment.
    let full = segment(&last);
    setup.put("2", 2).await;
    last = next(&setup, &DeletesKnown::Yes).await;
    assert!(reason(&last).contains("an increment of"), "{last:?}");
    std::fs::remove_file(full).expect("removed");
    last = next(&setup, &DeletesKnown::Yes).await;
    assert!(reason(&last).contains("is damaged: "), "{last:?}");
    // Deletes are not captured; and when they are again, those between two backups are not known.
    last = next(&setup, &DeletesKnown::No("the mode is another one".into())).await;
    assert!(reason(&last).contains("deletes are not known: the mode is another one"), "{last:?}");
    last = next(&setup, &DeletesKnown::Yes).await;
    assert!(reason(&last).contains("deletes may not have been captured since the last backup"), "{last:?}");
    last = next(&setup, &DeletesKnown::Yes).await;
    assert!(reason(&last).contains("an increment of"), "{last:?}");
}

/// Several instances look at the same times. Their requests fail, their replies are lost, and they are killed.
#[tokio::test]
async fn any_number_of_instances_create_one_backup_and_one_digest_job_for_each_slot() {
    let mut setup = Setup::start().await;
    let mut random = SmallRng::seed_from_u64(7);
    setup.put("1", 1).await;
    setup.set(json!({"fullEvery": "2d"})).await;
    let start = Utc::now();
    let instances: Vec<Changefeed> =
        (0..4).map(|_| setup.world.changefeed(|options| options.jobs = small_limits())).collect();
    for day in 0..6 {
        setup.put("1", day).await;
        let now = start + days(day);
        for _ in 0..3 {
            for effect in [Effect::LoseReply, Effect::Status { status: 503, substatus: 0 }] {
                let times = random.random_range(0..3);
                let fault = Fault { container: Some("jobs".into()), kind: RequestKind::Write, times, effect };
                setup.world.endpoint.inject(fault);
            }
            let looks = instances.iter().map(|instance| {
                let lifetime = Duration::from_millis(random.random_range(1..60));
                tokio::time::timeout(lifetime, instance.backup_policy.look_at(now, &DeletesKnown::Yes))
            });
            futures::future::join_all(looks).await;
            setup.world.endpoint.clear_faults();
        }
        // One that lives notices what the others left.
        let look = setup.look_at(now).await;
        let jobs = setup.jobs().await;
        assert_eq!(jobs.len(), day as usize + 1, "day {day}: {look:?}");
        let id = jobs.last().expect("a job")["id"].as_str().expect("id").to_owned();
        assert_eq!(finish(&setup.changefeed, &id).await, JobState::Done, "day {day}");
        let digests = setup.digest_jobs().await;
        assert_eq!(digests.len(), day as usize + 1, "day {day}: {look:?}");
        let id = digests.last().expect("a job")["id"].as_str().expect("id").to_owned();
        assert_eq!(finish(&setup.changefeed, &id).await, JobState::Done, "day {day}");
        assert_eq!(setup.shown().await.last_digests.map(|job| (job.id, job.state)), Some((id, JobState::Done)));
        let looks = instances.iter().map(|instance| instance.backup_policy.look_at(now, &DeletesKnown::Yes));
        let looks: Vec<_> = futures::future::join_all(looks).await;
        assert!(looks.iter().all(Result::is_ok), "{looks:?}");
    }
    assert_eq!(setup.digest_jobs().await.len(), 6);
    let inventory = setup.inventory().await;
    assert_eq!((inventory.backups.len(), inventory.others.len()), (6, 0), "{inventory:?}");
    for backup in &inventory.backups {
        inventory.chain(backup).expect("a chain");
    }
}

#[tokio::test]
async fn the_policy_is_replaced_and_removed_and_another_location_has_a_first_backup() {
    let mut setup = Setup::start().await;
    setup.put("1", 1).await;
    let policies = &setup.changefeed.backup_policy;
    assert!(!policies.remove().await.expect("removed"));
    let start = Utc::now();
    assert_eq!(setup.look_at(start).await.events, [PolicyEvent::NotSet]);
    let first = setup.set(json!({})).await;
    assert_eq!(setup.set(json!({})).await, first, "the same policy changes nothing");
    setup.back_up_at(start).await;
    // A change of what is kept starts no backup.
    let changed = setup.set(json!({"keepDaily": 7})).await;
    assert!(changed.last.is_some() && changed.policy.keep_daily == Some(7), "{changed:?}");
    assert!(started(&setup.look_at(start).await).is_none());
    let elsewhere = setup.folder.path().join("elsewhere").to_string_lossy().into_owned();
    let moved = setup.set(json!({"to": elsewhere})).await;
    assert!(moved.last.is_none() && moved.last_done.is_none(), "{moved:?}");
    let backup = setup.back_up_at(start).await;
    assert!(backup.location().starts_with(&elsewhere) && reason(&backup).contains("a full backup"), "{backup:?}");
    assert!(policies.remove().await.expect("removed"));
    assert_eq!(policies.show().await.expect("no policy"), None);
    // Set again within the slot, it has its backup already.
    setup.set(json!({"to": elsewhere})).await;
    setup.look_at(start).await;
    assert_eq!(setup.jobs().await.len(), 2);
}

#[tokio::test]
async fn a_location_that_cannot_be_read_is_refused_and_a_later_failure_is_shown() {
    let mut setup = Setup::start().await;
    setup.put("1", 1).await;
    let file = setup.folder.path().join("file").to_string_lossy().into_owned();
    std::fs::write(&file, "x").expect("written");
    let policy = serde_json::from_value(json!({"to": file, "every": "1d"})).expect("a policy");
    let policies = &setup.changefeed.backup_policy;
    let refused = policies.set(policy, &TimeZone::UTC).await.expect_err("refused").to_string();
    assert!(refused.contains("is a file"), "{refused}");
    setup.set(json!({})).await;
    std::fs::write(setup.to(), "x").expect("written");
    let start = Utc::now();
    let failed = policies.look_at(start, &DeletesKnown::Yes).await.expect_err("failed").to_string();
    let problem = policies.show().await.expect("read").expect("a policy").problem;
    assert_eq!(problem, Some(failed));
    std::fs::remove_file(setup.to()).expect("removed");
    setup.back_up_at(start).await;
    assert_eq!(policies.show().await.expect("read").expect("a policy").problem, None);
}

#[tokio::test]
async fn a_policy_writes_digests_to_its_location_and_they_show_what_was_altered() {
    let mut setup = Setup::start().await;
    let world = &setup.world;
    setup.changefeed = at(world, 0);
    let written = write(world, &setup.changefeed, &["1", "2"], "text").await;
    let start = Utc::now();
    setup.set(json!({"requestedBy": "me"})).await;
    // The hour is not over: there is nothing to write yet.
    let look = setup.look_at(start).await;
    let first = look.digests().expect("digests").to_owned();
    assert_eq!(finish(&setup.changefeed, &first).await, JobState::Done);
    assert_eq!(digest_files(setup.to().as_ref()).len(), 0);
    finish(&setup.changefeed, look.backup().expect("a backup")).await;
    setup.changefeed = at(world, LATER);
    let look = setup.look_at(start + days(1)).await;
    assert!(look.events.contains(&PolicyEvent::DigestsEnded(first, JobState::Done)), "{look:?}");
    let second = look.digests().expect("digests").to_owned();
    assert_eq!(finish(&setup.changefeed, &second).await, JobState::Done);
    let shown = setup.shown().await.last_digests.expect("digests");
    assert_eq!((&shown.id, shown.counts.versions, &shown.request["requestedBy"]), (&second, 2, &json!("me")));

    let (record, findings) = verify_digests(&setup.changefeed, setup.to().as_ref()).await;
    assert_eq!((record.state, findings), (JobState::Done, Vec::new()));
    let altered = version_id(&written[1]);
    let mut version = world.versions().await[&altered].clone();
    version["document"]["n"] = json!(7);
    overwrite_record(world, version).await;
    let (code, text) = CommandLine::new(world).text(&["verify", "--digests", &setup.to()]).await;
    assert!(code == 3 && text.contains("1 altered"), "{text}");
    let (_, findings) = verify_digests(&setup.changefeed, setup.to().as_ref()).await;
    assert_eq!(finding_summaries(&findings), [("altered".to_owned(), "2".to_owned(), altered)]);
    // A prune leaves the digests, and says what they are.
    let request =
        PruneRequest { location: setup.to(), keep: Keep { daily: 1, ..Keep::default() }, zone: TimeZone::UTC };
    let plan = setup.changefeed.backup_policy.plan_prune(&request).await.expect("a plan");
    let folder = plan.folders.iter().find(|folder| folder.name == "digests").expect("the folder");
    assert_eq!((folder.action, folder.reason.as_str()), (PruneAction::Leave, "digests of the history"));
}

#[tokio::test]
async fn digests_that_cannot_be_started_are_shown_and_started_at_the_next_look_and_do_not_stop_the_backup() {
    let mut setup = Setup::start().await;
    setup.put("1", 1).await;
    setup.set(json!({"digests": false})).await;
    let start = Utc::now();
    setup.back_up_at(start).await;
    assert_eq!((setup.digest_jobs().await.len(), setup.shown().await.last_digests), (0, None));

    // With digests from now on, they are due at once. Whether a digest job is under way is refused.
    setup.set(json!({})).await;
    let later = start + days(1);
    let effect = Effect::Status { status: 403, substatus: 0 };
    let refused = Fault { container: Some("jobs".into()), kind: RequestKind::Query, times: 1000, effect };
    setup.world.endpoint.inject(refused);
    let look = setup.look_at(later).await;
    let not_started = look.events.iter().any(|event| matches!(event, PolicyEvent::DigestsNotStarted(_)));
    assert!(started(&look).is_some() && not_started, "{look:?}");
    setup.world.endpoint.clear_faults();
    let problem = setup.shown().await.problem.expect("a problem");
    assert!(problem.contains("the digests could not be started"), "{problem}");
    assert_eq!(setup.digest_jobs().await.len(), 0);
    let look = setup.look_at(later).await;
    let job = look.digests().expect("digests").to_owned();
    let shown = setup.shown().await;
    assert_eq!((shown.problem, shown.last_digests.map(|job| job.id)), (None, Some(job.clone())));

    // A job that has not ended is that of the next slot, too; a failed one is followed by the next slot's.
    finish(&setup.changefeed, look.backup().expect("a backup")).await;
    let look = setup.look_at(start + days(2)).await;
    assert_eq!((look.digests(), setup.digest_jobs().await.len()), (Some(job.as_str()), 1));
    finish(&setup.changefeed, look.backup().expect("a backup")).await;
    std::fs::write(format!("{}/digests", setup.to()), "a file").expect("written");
    set_clock(&setup.world, LATER);
    assert_eq!(finish(&setup.changefeed, &job).await, JobState::Failed);
    let shown = setup.shown().await.last_digests.expect("digests");
    assert!(shown.state == JobState::Failed && shown.progress.message.is_some(), "{shown:?}");
    let look = setup.look_at(start + days(3)).await;
    assert!(look.digests().is_some_and(|next| next != job), "{look:?}");
}

#[tokio::test]
async fn a_policy_that_is_behind_is_seen_by_monitoring_at_the_cost_of_one_small_item() {
    let mut setup = Setup::start().await;
    setup.world.create("leases", &["/id"]).await;
    setup.put("1", 1).await;
    // Each handler scrapes once: it remembers what it has read for ten seconds.
    let scrape = async |setup: &Setup| {
        let handler = setup.world.handler();
        setup.world.endpoint.take_requests();
        let text = handler.respond(Method::GET, "/api/metrics", "").await.text().await.expect("text");
        let items =
            setup.world.endpoint.take_requests().into_iter().filter(|request| request.kind != LoggedKind::Metadata);
        let value = |name: &str| {
            let value = text.lines().find_map(|line| line.strip_prefix(&format!("changefeed_backup_{name}_seconds ")));
            value.map(|value| value.parse::<i64>().expect("a number"))
        };
        (value("age"), value("overdue"), items.collect::<Vec<_>>())
    };
    let (age, overdue, without) = scrape(&setup).await;
    assert_eq!((age, overdue), (None, None));
    let line = CommandLine::new(&setup.world);
    let doctor = async || {
        let (code, answer) = line.json(&["doctor"]).await;
        let checks = answer["items"].as_array().expect("checks").clone();
        (code, checks.into_iter().find(|check| check["name"] == "backups").expect("a check"))
    };
    assert_eq!(doctor().await.1["state"], "advice");

    setup.set(json!({"every": "1h"})).await;
    let now = Utc::now();
    setup.back_up_at(now - TimeDelta::hours(9)).await;
    let (age, overdue, items) = scrape(&setup).await;
    let (age, overdue) = (age.expect("an age") / 3600, overdue.expect("a time") / 3600);
    assert!((9..=10).contains(&age) && (8..=9).contains(&overdue), "{age} {overdue}");
    let of_policy: Vec<_> = items.iter().filter(|item| item.path.ends_with("/docs/backup-policy")).collect();
    assert_eq!((of_policy.len(), items.len()), (1, without.len()), "{items:?}");
    assert!(of_policy[0].kind == LoggedKind::Read && of_policy[0].request_charge <= 1.5, "{of_policy:?}");
    let (code, check) = doctor().await;
    assert!(code == 3 && check["found"].as_str().is_some_and(|found| found.contains("overdue since")), "{check}");
    let (code, status) = line.text(&["status"]).await;
    assert!(code == 3 && status.contains("OVERDUE: one is due since"), "{status}");
    let (_, status) = line.json(&["status"]).await;
    assert!(status["backups"]["overdueSince"].is_string() && status["backups"]["newest"].is_string(), "{status}");

    let look = setup.look_at(now).await;
    assert!(look.events.iter().any(|event| matches!(event, PolicyEvent::Overdue(_))), "{look:?}");
    finish(&setup.changefeed, look.backup().expect("a backup")).await;
    let look = setup.look_at(now).await;
    assert!(!look.events.iter().any(|event| matches!(event, PolicyEvent::Overdue(_))), "{look:?}");
    let (age, overdue, _) = scrape(&setup).await;
    assert!(
        age.is_some_and(|age| age < 2 * 3600) && overdue.is_some_and(|overdue| overdue < 3600),
        "{age:?} {overdue:?}"
    );
    assert_eq!(doctor().await.1["state"], "ok");
    let (_, status) = line.text(&["status"]).await;
    assert!(status.contains("The newest backup of the policy is of") && !status.contains("OVERDUE"), "{status}");
}
