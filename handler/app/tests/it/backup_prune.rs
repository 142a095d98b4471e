//! Which backups a prune deletes, compared with a model: what is kept can be restored, whenever the prune is killed.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use changefeed_backup_format::{
    BackupDocument, BackupHeader, BackupLocation, BackupWriter, Content, Digest, Inventory, OtherState, Source,
    missing_segment,
};
use changefeed_history::TimeZone;
use changefeed_operations::{Keep, PruneAction, PruneRequest};
use chrono::{DateTime, TimeDelta, Utc};
use rand::rngs::SmallRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::backup_policy::{Setup, days, started};
use crate::support::backups::{live_documents, run_restore, truncate};
use crate::support::jobs::{finish, small_limits};
use crate::support::{BlobService, CommandLine, Handler, World};

/// Time without limit.
fn later() -> Instant {
    Instant::now() + Duration::from_secs(600)
}

/// A backup of the model.
#[derive(Clone, Debug)]
struct Made {
    name: String,
    id: String,
    digest: Digest,
    base: Option<Digest>,
    time: DateTime<Utc>,
    /// Whether the rules are for it.
    is_counted: bool,
    /// Whether it is of another container.
    is_foreign: bool,
}

async fn write(location: &BackupLocation, name: &str, header: BackupHeader, is_finished: bool) -> Option<Digest> {
    let mut writer = BackupWriter::create(location.child(name).expect("a name"), header).await.expect("created");
    for number in 0..3 {
        let document = json!({"id": number.to_string(), "pk": "a", "_ts": 1, "_etag": "\"1\""});
        writer.push(&BackupDocument::from_live(document).expect("a document")).await.expect("pushed");
        writer.suspend(json!(number)).await.expect("suspended");
    }
    if !is_finished {
        return None;
    }
    let manifest = writer.finish(Value::Null, Utc::now()).await.expect("finished");
    Some(manifest.encode().expect("text").1)
}

/// The names of the backups that the rules choose: of the newest periods, the newest backup.
fn chosen(backups: &[&Made], keep: Keep) -> BTreeSet<String> {
    let mut chosen = BTreeSet::new();
    for (count, format) in [(keep.daily, "%Y-%m-%d"), (keep.weekly, "%G-%V"), (keep.monthly, "%Y-%m")] {
        let mut newest = BTreeMap::<String, &Made>::new();
        for backup in backups {
            let period = newest.entry(backup.time.format(format).to_string()).or_insert(backup);
            if backup.time > period.time {
                *period = backup;
            }
        }
        chosen.extend(newest.into_values().rev().take(count as usize).map(|backup| backup.name.clone()));
    }
    chosen
}

/// The names of the backups that restores of some need, with them; none if the chain is broken.
fn chain(all: &BTreeMap<Digest, Made>, backup: &Made) -> Option<BTreeSet<String>> {
    let mut names = BTreeSet::from([backup.name.clone()]);
    let mut base = backup.base;
    while let Some(digest) = base {
        let before = all.get(&digest)?;
        names.insert(before.name.clone());
        base = before.base;
    }
    Some(names)
}

#[tokio::test]
async fn what_is_kept_can_be_restored_whenever_a_prune_is_killed() {
    let world = World::new().await;
    let changefeed = world.changefeed(|options| options.jobs = small_limits());
    let source = source_of(&world).await;
    for seed in 0..25 {
        let mut random = SmallRng::seed_from_u64(seed);
        let folder = tempfile::tempdir().expect("folder");
        let location = BackupLocation::folder(folder.path());
        let (mut all, mut left) = (BTreeMap::<Digest, Made>::new(), BTreeSet::new());
        let mut unfinished_bases = Vec::new();
        let mut time: DateTime<Utc> = "2026-01-01T02:00:00Z".parse().expect("a time");
        for number in 0..random.random_range(1..25) {
            time += TimeDelta::hours(random.random_range(1..200));
            let name = time.format("%Y-%m-%dT%H%M%SZ").to_string();
            let earlier: Vec<Made> = all.values().filter(|made| !made.is_foreign).cloned().collect();
            let base = earlier.choose(&mut random).filter(|_| random.random_bool(0.75));
            let mut header = BackupHeader {
                id: format!("b{number}"),
                source: source.clone(),
                content: Content::Live {},
                filter: Vec::new(),
                incremental_from: None,
                started_at: time.into(),
                created_by: "test".into(),
            };
            let kind = random.random_range(0..10);
            match kind {
                0 => header.content = Content::AsOf { moment: time.into() },
                1 => header.source.container = "others".into(),
                _ => {}
            }
            header.incremental_from = base.map(|base| changefeed_backup_format::EarlierBackup {
                id: base.id.clone(),
                digest: base.digest,
                since: base.time.into(),
                feed: None,
            });
            // An increment of another container does not continue this one's.
            if kind == 1 {
                header.incremental_from = None;
            }
            let base = header.incremental_from.as_ref().map(|earlier| earlier.digest);
            let id = header.id.clone();
            match write(&location, &name, header, kind != 2).await {
                Some(digest) => {
                    all.insert(
                        digest,
                        Made { name, id, digest, base, time, is_counted: kind > 2, is_foreign: kind == 1 },
                    );
                }
                None => {
                    unfinished_bases.extend(base);
                    left.insert(name);
                }
            }
        }
        std::fs::create_dir(folder.path().join("notes")).expect("folder");
        left.insert("notes".to_owned());
        // Some backups are damaged or gone, also ones that others need.
        for backup in all.values().cloned().collect::<Vec<_>>() {
            match random.random_range(0..20) {
                0 => {
                    std::fs::write(folder.path().join(&backup.name).join("manifest.json"), "{").expect("written");
                    left.insert(backup.name.clone());
                    all.remove(&backup.digest);
                }
                1 => {
                    std::fs::remove_dir_all(folder.path().join(&backup.name)).expect("removed");
                    all.remove(&backup.digest);
                }
                _ => {}
            }
        }
        let keep = Keep {
            daily: random.random_range(0..5),
            weekly: random.random_range(0..4),
            monthly: random.random_range(1..4),
        };
        let (counted, others): (Vec<&Made>, Vec<&Made>) =
            all.values().partition(|backup| backup.is_counted && chain(&all, backup).is_some());
        let chosen = chosen(&counted, keep);
        let mut expected = chosen.clone();
        let roots = counted.iter().filter(|backup| chosen.contains(&backup.name)).chain(&others);
        let mut needed: Vec<Digest> = roots.flat_map(|backup| [Some(backup.digest), backup.base]).flatten().collect();
        needed.extend(&unfinished_bases);
        while let Some(digest) = needed.pop() {
            let Some(backup) = all.get(&digest) else { continue };
            expected.insert(backup.name.clone());
            needed.extend(backup.base);
        }
        let request =
            PruneRequest { location: folder.path().to_string_lossy().into_owned(), keep, zone: TimeZone::UTC };
        let policies = &changefeed.backup_policy;
        let plan = policies.plan_prune(&request).await.expect("a plan");
        let of = |action| {
            plan.folders.iter().filter(move |folder| folder.action == action).map(|folder| folder.name.clone())
        };
        let deleted: BTreeSet<String> = of(PruneAction::Delete).collect();
        let all_names: BTreeSet<String> = all.values().map(|backup| backup.name.clone()).collect();
        assert_eq!(deleted, &all_names - &expected, "seed {seed}, {keep:?}: {plan:#?}");
        let untouched: BTreeSet<String> = others.iter().map(|other| other.name.clone()).chain(left.clone()).collect();
        assert_eq!(of(PruneAction::Leave).collect::<BTreeSet<_>>(), untouched, "seed {seed}");

        // It is killed at random times, and what remains is whole every time.
        let restorable = |inventory: &Inventory| -> BTreeSet<String> {
            let whole = inventory.backups.iter().filter(|backup| inventory.chain(backup).is_ok());
            whole.map(|backup| backup.name.clone()).collect()
        };
        let before = restorable(&Inventory::take(&location).await.expect("inventory"));
        for round in 0..20 {
            let plan = policies.plan_prune(&request).await.expect("a plan");
            let lifetime = Duration::from_micros(random.random_range(0..15_000));
            match round {
                19 => drop(policies.prune(&request, &plan, later()).await.expect("pruned")),
                _ => drop(tokio::time::timeout(lifetime, policies.prune(&request, &plan, later())).await),
            }
            let inventory = Inventory::take(&location).await.expect("inventory");
            for backup in &inventory.backups {
                let child = location.child(&backup.name).expect("a name");
                assert_eq!(missing_segment(&child).await.expect("read"), None, "seed {seed}: {}", backup.name);
                let is_whole = inventory.chain(backup).is_ok();
                assert_eq!(is_whole, before.contains(&backup.name), "seed {seed}: {}", backup.name);
            }
            let names: BTreeSet<String> = inventory.backups.iter().map(|backup| backup.name.clone()).collect();
            assert!(expected.is_subset(&names), "seed {seed}: {:?}", &expected - &names);
        }
        let names = std::fs::read_dir(folder.path()).expect("folder").map(|entry| entry.expect("entry").file_name());
        let names: BTreeSet<String> = names.map(|name| name.to_string_lossy().into_owned()).collect();
        assert_eq!(names, &expected | &left, "seed {seed}: nothing is left of what was deleted");
        assert_eq!(policies.plan_prune(&request).await.expect("a plan").deleted().count(), 0, "seed {seed}");
        let record = world.query("jobs", "SELECT VALUE c.removing FROM c WHERE c.kind = 'backup-removals'").await;
        assert!(record.iter().all(|removing| *removing == json!([])), "seed {seed}: {record:?}");
    }
}

/// The container of a world, as backups name it.
async fn source_of(world: &World) -> Source {
    let folder = tempfile::tempdir().expect("folder");
    let changefeed = world.changefeed(|options| options.jobs = small_limits());
    let to = folder.path().join("b").to_string_lossy().into_owned();
    crate::support::backups::run_backup(&changefeed, json!({"to": to})).await;
    let inventory = Inventory::take(&BackupLocation::folder(folder.path())).await.expect("inventory");
    inventory.backups[0].header.source.clone()
}

#[tokio::test]
async fn a_policy_prunes_after_each_backup_and_its_last_backup_is_restorable() {
    let mut setup = Setup::start().await;
    setup.set(json!({"fullEvery": "3d", "keepDaily": 2})).await;
    let start = Utc::now();
    let mut names = Vec::new();
    for day in 0..8 {
        setup.put(&format!("item-{day}"), day).await;
        let backup = setup.back_up_at(start + days(day)).await;
        let (_, name) = backup.location().rsplit_once('/').expect("a folder");
        names.push(name.to_owned());
        let left: Vec<String> = setup.inventory().await.backups.iter().map(|backup| backup.name.clone()).collect();
        // Full backups on days 0, 3 and 6. The last two days are kept, and what these continue.
        let first = match day {
            0..=3 => 0,
            4..=6 => 3,
            _ => 6,
        };
        assert_eq!(left, names[first..], "day {day}");
    }
    let view = setup.changefeed.backup_policy.show().await.expect("read").expect("a policy");
    let pruned = view.last.and_then(|last| last.pruned).expect("a report");
    assert_eq!((pruned.deleted.len(), pruned.protected.len()), (3, 0), "{pruned:?}");
    let state = live_documents(&setup.world).await;
    truncate(&setup.changefeed).await;
    let chain: Vec<String> = names[6..].iter().map(|name| format!("{}/{name}", setup.to())).collect();
    run_restore(&setup.changefeed, json!({"from": chain})).await;
    assert_eq!(live_documents(&setup.world).await, state);
}

#[tokio::test]
async fn a_backup_that_another_one_under_way_continues_is_not_deleted_and_one_that_is_deleted_is_not_continued() {
    let mut setup = Setup::start().await;
    setup.put("1", 1).await;
    setup.set(json!({"fullEvery": "1d"})).await;
    let start = Utc::now();
    let first = setup.back_up_at(start).await;
    let second = setup.back_up_at(start + days(1)).await;
    let keep = Keep { daily: 1, ..Keep::default() };
    let request = PruneRequest { location: setup.to(), keep, zone: TimeZone::UTC };
    let policies = &setup.changefeed.backup_policy;
    let plan = policies.plan_prune(&request).await.expect("a plan");
    assert_eq!(plan.deleted().count(), 1);
    // Between the plan and the deletion, an increment of the old backup is requested.
    let increment = json!({"to": format!("{}/increment", setup.to()), "incrementalFrom": first.location()});
    let increment = serde_json::from_value(increment).expect("a request");
    let job = setup.changefeed.backups.create_job(&increment).await.expect("a job");
    let report = policies.prune(&request, &plan, later()).await.expect("pruned");
    assert!(report.deleted.is_empty(), "{report:?}");
    assert_eq!(finish(&setup.changefeed, &job.id).await, changefeed_jobs::JobState::Done);
    let inventory = setup.inventory().await;
    assert!(inventory.backups.iter().all(|backup| inventory.chain(backup).is_ok()) && inventory.backups.len() == 3);
    // A prune that was killed has recorded what it deletes: no backup continues it.
    let (parent, name) = second.location().rsplit_once('/').expect("a folder");
    let record = json!({"id": "backup-removals", "kind": "backup-removals", "schema": 1,
        "removing": [{"location": parent, "name": name}]});
    let jobs = setup.world.container("jobs").await;
    jobs.upsert_item("backup-removals", "backup-removals", record, None).await.expect("upserted");
    let later_one = json!({"to": format!("{}/later", setup.to()), "incrementalFrom": second.location()});
    let later_one = serde_json::from_value(later_one).expect("a request");
    let refused = setup.changefeed.backups.create_job(&later_one).await.expect_err("refused").to_string();
    assert!(refused.contains("is being deleted"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn immutable_blobs_are_reported_and_what_they_need_is_kept() {
    let world = World::new().await;
    let service = BlobService::start().await;
    let storage = service.connection_string();
    let changefeed = world.changefeed(|options| {
        options.jobs = small_limits();
        options.locations.connection_string = Some(storage.clone());
        options.locations.host = None;
    });
    let source = source_of(&world).await;
    let location = service.location("backups/orders");
    let place = BackupLocation::blobs_by_connection_string(&storage, &location).expect("a location");
    let mut base: Option<(String, Digest)> = None;
    let time = |day: i64| "2026-11-02T02:00:00Z".parse::<DateTime<Utc>>().expect("a time") + days(day);
    let name = |day: i64| time(day).format("%Y-%m-%dT%H%M%SZ").to_string();
    // A chain of three, and a full backup.
    for day in 0..4 {
        let header = BackupHeader {
            id: format!("b{day}"),
            source: source.clone(),
            content: Content::Live {},
            filter: Vec::new(),
            incremental_from: base.clone().filter(|_| day < 3).map(|(id, digest)| {
                changefeed_backup_format::EarlierBackup { id, digest, since: time(day - 1).into(), feed: None }
            }),
            started_at: time(day).into(),
            created_by: "test".into(),
        };
        base = write(&place, &name(day), header, true).await.map(|digest| (format!("b{day}"), digest));
    }
    let all = service.paths().len();
    service.protect(&format!("{}/manifest.json", name(1)));
    let request =
        PruneRequest { location: location.clone(), keep: Keep { daily: 1, ..Keep::default() }, zone: TimeZone::UTC };
    let policies = &changefeed.backup_policy;
    let plan = policies.plan_prune(&request).await.expect("a plan");
    assert_eq!(plan.deleted().map(|folder| folder.name.clone()).collect::<Vec<_>>(), [name(2), name(1), name(0)]);
    let report = policies.prune(&request, &plan, later()).await.expect("pruned");
    assert_eq!(report.deleted, [name(2)]);
    let protected: Vec<&str> = report.protected.iter().map(|folder| folder.name.as_str()).collect();
    assert_eq!(protected, [name(1), name(0)], "{report:?}");
    assert!(report.protected[0].message.contains("BlobImmutableDueToPolicy"), "{report:?}");
    assert_eq!(report.protected[1].message, format!("{}, which could not be deleted, needs it", name(1)));
    assert!(!json!(report).to_string().contains("c2VjcmV0"));
    let inventory = Inventory::take(&place).await.expect("inventory");
    assert!(inventory.backups.len() == 3 && inventory.backups.iter().all(|backup| inventory.chain(backup).is_ok()));
    // A segment is protected for longer than the manifest: the rest is deleted by a later prune.
    service.unprotect();
    service.protect(&format!("{}/part-00001", name(1)));
    let plan = policies.plan_prune(&request).await.expect("a plan");
    let report = policies.prune(&request, &plan, later()).await.expect("pruned");
    assert_eq!(report.protected.len(), 2, "{report:?}");
    let inventory = Inventory::take(&place).await.expect("inventory");
    let state =
        |name: String| inventory.others.iter().find(|other| other.name == name).map(|other| other.state.clone());
    assert_eq!(state(name(1)), Some(OtherState::NoBackup), "{inventory:?}");
    service.unprotect();
    let plan = policies.plan_prune(&request).await.expect("a plan");
    policies.prune(&request, &plan, later()).await.expect("pruned");
    let left = service.paths();
    assert!(left.len() == all / 4 && left.iter().all(|path| path.contains(&name(3))), "{left:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_shows_the_plan_asks_and_deletes() {
    let mut setup = Setup::start().await;
    setup.put("1", 1).await;
    setup.set(json!({"fullEvery": "1d", "keepDaily": 9})).await;
    let start = Utc::now();
    for day in 0..4 {
        setup.back_up_at(start + days(day)).await;
    }
    std::fs::create_dir(format!("{}/notes", setup.to())).expect("folder");
    let command = CommandLine::new(&setup.world);
    let (to, prune) = (setup.to(), ["backup", "prune"]);
    let count = async || setup.inventory().await.backups.len();
    let (code, text) = command.text(&[&prune[..], &[&to]].concat()).await;
    assert!(code == 2 && text.contains("set keepDaily, keepWeekly or keepMonthly"), "{code}: {text}");
    let (code, text) = command.text(&[&prune[..], &[&to, "--keep-daily", "0"]].concat()).await;
    assert!(code == 2 && text.contains("nothing would be kept"), "{code}: {text}");
    // By the policy, nothing is deleted.
    let (code, plan) = command.json(&[&prune[..], &["--dry-run"]].concat()).await;
    let actions = |plan: &Value| -> Vec<String> {
        let items = plan["items"].as_array().expect("items").iter();
        items.map(|item| item["action"].as_str().expect("an action").to_owned()).collect()
    };
    assert_eq!(
        (code, actions(&plan)),
        (0, ["keep", "keep", "keep", "keep", "leave"].map(str::to_owned).to_vec()),
        "{plan}"
    );
    let keep = [&prune[..], &[&to, "--keep-daily", "2"]].concat();
    let (code, text) = command.text(&[&keep[..], &["--dry-run"]].concat()).await;
    assert!(code == 0 && text.contains("it is not a backup") && text.contains("no rule keeps it"), "{code}: {text}");
    let (code, text) = command.text(&keep).await;
    assert!(code == 1 && text.contains("Delete 2 backups") && text.contains("pass --yes"), "{code}: {text}");
    assert_eq!(count().await, 4);
    let (code, report) = command.json(&[&keep[..], &["--yes"]].concat()).await;
    assert_eq!((code, report["deleted"].as_array().map(Vec::len)), (0, Some(2)), "{report}");
    assert_eq!(count().await, 2);
    let (code, text) = command.text(&[&keep[..], &["--yes"]].concat()).await;
    assert!(code == 0 && text.contains("deleted 0 backups"), "{code}: {text}");
    assert!(std::fs::exists(format!("{to}/notes")).expect("read"));
    assert!(started(&setup.look_at(start + days(4)).await).is_some(), "the policy takes the next one");
}

#[tokio::test(flavor = "multi_thread")]
async fn over_http_a_dry_run_says_what_is_deleted_and_its_number_confirms_it() {
    let world = World::new().await;
    let service = BlobService::start().await;
    let storage = service.connection_string();
    let handler =
        Handler::start(&[("CosmosDB", &world.endpoint.connection_string()), ("CHANGEFEED_BACKUP_STORAGE", &storage)]);
    let (source, location) = (source_of(&world).await, service.location("backups/orders"));
    let place = BackupLocation::blobs_by_connection_string(&storage, &location).expect("a location");
    for day in 2..6 {
        let time: DateTime<Utc> = format!("2026-11-0{day}T02:00:00Z").parse().expect("a time");
        let header = BackupHeader {
            id: format!("b{day}"),
            source: source.clone(),
            content: Content::Live {},
            filter: Vec::new(),
            incremental_from: None,
            started_at: time.into(),
            created_by: "test".into(),
        };
        write(&place, &time.format("%Y-%m-%dT%H%M%SZ").to_string(), header, true).await;
    }
    let prune = async |body: Value| handler.post("/api/backups/prune", &body).await;
    let names = async || -> Vec<String> {
        let inventory = Inventory::take(&place).await.expect("inventory");
        inventory.backups.iter().map(|backup| backup.header.id.clone()).collect()
    };
    for (body, expected) in [
        (json!({}), "no backup policy is set"),
        (json!({ "location": location }), "set keepDaily, keepWeekly or keepMonthly"),
        (json!({"location": location, "keepDaily": 0, "dryRun": true}), "nothing would be kept"),
        (json!({"location": location, "keepDaily": 2, "timeZone": "Berlin"}), "timeZone: unknown time zone"),
        (json!({"location": location, "keepDaily": 2}), "confirm is missing; look at the plan with dryRun"),
        (json!({"location": location, "keepDaily": 2, "confirm": 3}), "confirm is 3; look at the plan with dryRun"),
        (json!({"location": "/folder", "keepDaily": 2, "dryRun": true}), "available only to the command line"),
        (json!({"location": location, "keepDaily": 2, "colour": 1}), "unknown field `colour`"),
    ] {
        let (status, answer) = prune(body.clone()).await;
        let message = answer["error"]["message"].as_str().unwrap_or_default();
        assert!(status == StatusCode::BAD_REQUEST && message.contains(expected), "{body}: {answer}");
    }
    let (_, elsewhere) = prune(json!({"location": "https://a.example.com/c", "keepDaily": 2, "dryRun": true})).await;
    assert_eq!(elsewhere["error"]["code"], "PlaceNotAllowed", "{elsewhere}");
    assert_eq!(names().await, ["b2", "b3", "b4", "b5"], "nothing is deleted by a refused request");

    let (status, plan) = prune(json!({"location": location, "keepDaily": 2, "dryRun": true})).await;
    let actions: Vec<_> =
        plan["items"].as_array().expect("items").iter().map(|item| (&item["backup"], &item["action"])).collect();
    let expected = [("b4", "keep"), ("b5", "keep"), ("b2", "delete"), ("b3", "delete")]
        .map(|(id, action)| (json!(id), json!(action)));
    assert_eq!(status, StatusCode::OK);
    assert!(actions.iter().eq(expected.iter().map(|(id, action)| (id, action)).collect::<Vec<_>>().iter()), "{plan}");
    assert_eq!(names().await.len(), 4, "a dry run deletes nothing");
    let confirmed = json!({"location": location, "keepDaily": 2, "confirm": 2});
    let (status, report) = prune(confirmed.clone()).await;
    assert_eq!((status, report["deleted"].as_array().map(Vec::len)), (StatusCode::OK, Some(2)), "{report}");
    assert_eq!(names().await, ["b4", "b5"]);
    // The same request again deletes nothing, and says that the plan is another one.
    let (status, again) = prune(confirmed).await;
    assert_eq!(status, StatusCode::BAD_REQUEST, "{again}");

    // Without a location, the policy says what is kept, and where.
    let policy = json!({"to": location, "every": "1d", "keepDaily": 1});
    let (status, set) = handler.send(Method::PUT, "/api/backup-policy", "application/json", policy.to_string()).await;
    assert_eq!(status, StatusCode::OK, "{set}");
    let (status, report) = prune(json!({"confirm": 1})).await;
    assert_eq!((status, report["deleted"].as_array().map(Vec::len)), (StatusCode::OK, Some(1)), "{report}");
    assert_eq!(names().await, ["b5"]);
}
