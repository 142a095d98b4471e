//! A restore takes back what changed in a time window, and keeps what was changed later.

use std::collections::BTreeMap;

use changefeed_cosmos::{Container, Key};
use changefeed_jobs::JobState;
use changefeed_operations::{Changefeed, RestoreReport, Restored, UndoRequest};
use chrono::Utc;
use serde_json::{Value, json};

use crate::support::backups::{Documents, live_documents, name_of};
use crate::support::identity::{delete, events, put, truth};
use crate::support::jobs::{capture, finish, restore_request, restore_view, small_limits, start_restore};
use crate::support::{CommandLine, World};

pub const HOUR: i64 = 3600;

/// Captures every change of `events` in AllVersionsAndDeletes mode. What was captured before is not stored again.
pub async fn capture_all(changefeed: &Changefeed, events: &Container) {
    for changes in truth(events).await {
        for batch in changes.chunks(100) {
            capture(changefeed, batch).await;
        }
    }
}

/// A time, as seconds before now.
pub fn ago(seconds: i64) -> i64 {
    Utc::now().timestamp() - seconds
}

/// The stored document as the handler reads it, without the stamp.
fn body(document: &Value) -> Value {
    let mut body = document.clone();
    body.as_object_mut().expect("an object").retain(|name, _| !name.starts_with('_'));
    body
}

pub async fn restore(changefeed: &Changefeed, request: Value) -> RestoreReport {
    match changefeed.restores.run(&restore_request(request)).await.expect("restore") {
        Restored::Report(report) => *report,
        Restored::Job(record) => panic!("it became a job: {record:?}"),
    }
}

pub async fn undo(changefeed: &Changefeed, id: &str) -> RestoreReport {
    match changefeed.restores.undo(id, &UndoRequest::default()).await.expect("undo") {
        Restored::Report(report) => *report,
        Restored::Job(record) => panic!("it became a job: {record:?}"),
    }
}

/// The story of a wrong release: what the documents were before it, after it, and after users have edited some of them.
pub struct Story {
    pub world: World,
    pub changefeed: Changefeed,
    events: Container,
    before: Documents,
    pub edited: Documents,
}

pub fn zipcode(n: usize) -> Value {
    json!({"id": format!("{n:05}"), "pk": format!("{n:05}"), "city_name": format!("City {n}"), "seq": n, "updatedBy": "import",
        "location": {"type": "Point", "coordinates": [n, 2]}})
}

impl Story {
    pub const RELEASED: usize = 400;
    const ALL: usize = 420;

    pub async fn tell() -> Self {
        let world = World::new().await;
        let changefeed = world.changefeed(|_| {});
        let events = events(&changefeed).await;
        world.endpoint.set_clock(-3 * HOUR).expect("the clock");
        for n in 0..Self::ALL {
            put(&events, &zipcode(n)).await;
        }
        let before = live_documents(&world).await;
        world.endpoint.set_clock(-2 * HOUR).expect("the clock");
        for n in 0..Self::RELEASED {
            let mut document = zipcode(n);
            document["city_name"] = json!(document["city_name"].as_str().expect("a name").to_uppercase());
            document["updatedBy"] = json!("release-42");
            put(&events, &document).await;
        }
        for n in Self::RELEASED..Self::RELEASED + 5 {
            delete(&events, &zipcode(n)).await;
        }
        for n in Self::ALL..Self::ALL + 3 {
            put(&events, &json!({"updatedBy": "release-42", "id": format!("{n:05}"), "pk": format!("{n:05}")})).await;
        }
        world.endpoint.set_clock(-HOUR).expect("the clock");
        for n in 0..12 {
            let mut document = live_documents(&world).await[&name_of(&zipcode(n))].clone();
            (document["phone"], document["updatedBy"]) = (json!("555"), json!("user"));
            if n < 2 {
                document["city_name"] = json!(format!("City {n}, by hand"));
            }
            put(&events, &document).await;
        }
        let edited = live_documents(&world).await;
        world.endpoint.set_clock(0).expect("the clock");
        capture_all(&changefeed, &events).await;
        Self { world, changefeed, events, before, edited }
    }

    pub fn request(&self) -> Value {
        json!({"changedBetween": {"from": ago(2 * HOUR + 600), "to": ago(HOUR + 600)}, "laterChanges": "merge",
            "deleteCreatedAfter": true, "reason": "release 42"})
    }

    /// What the release did shows as activity, and as a list of changes.
    async fn assert_shown(&self) {
        let handler = self.world.handler();
        let window = format!("from={}&to={}", ago(2 * HOUR + 600), ago(HOUR + 600));
        let (_, activity) = handler.get(&format!("/api/history/activity?{window}")).await;
        assert_eq!(activity["versions"], 408, "{activity}");
        // A delete has no actor.
        assert_eq!(activity["actors"], json!([{"actor": "release-42", "versions": 403}]));
        let top: Vec<&Value> =
            activity["fields"].as_array().expect("fields").iter().map(|field| &field["path"]).collect();
        assert_eq!(top, ["/city_name", "/updatedBy"], "{activity}");
        assert_eq!(activity["fields"][0]["versions"], Self::RELEASED);
        let (mut items, mut continuation) = (Vec::new(), String::new());
        loop {
            let (_, page) = handler.get(&format!("/api/history/changes?{window}&maxItems=1000{continuation}")).await;
            items.extend(page["items"].as_array().expect("items").clone());
            match page["continuation"].as_str() {
                Some(token) => continuation = format!("&continuation={token}"),
                None => break,
            }
        }
        assert_eq!(items.len(), 408);
        let of = |operation: &str| items.iter().filter(|item| item["operation"] == operation).collect::<Vec<_>>();
        assert_eq!((of("replace").len(), of("delete").len(), of("create").len()), (Self::RELEASED, 5, 3));
        assert!(of("replace").iter().all(|item| item["paths"] == json!(["/city_name", "/updatedBy"])));
    }

    /// Of a document that was merged, the name is the restore's and the phone the user's.
    async fn assert_blamed(&self, restore: &str) {
        capture_all(&self.changefeed, &self.events).await;
        let (_, blame) = self.world.handler().get("/api/history/blame?id=00005&pk=00005").await;
        let set_by = |path: &str| {
            let fields = blame["fields"].as_array().expect("fields");
            fields.iter().find(|field| field["path"] == path).expect("the field").clone()
        };
        assert_eq!(set_by("/city_name")["byRestore"], restore, "{blame}");
        let phone = set_by("/phone");
        assert_eq!((&phone["actor"], phone.get("byRestore")), (&json!("user"), None), "{blame}");
        assert_eq!(set_by("/seq")["actor"], "import", "{blame}");
    }

    /// Every document as it should be: the edited ones have their old name and keep the edits.
    pub fn expected(&self) -> Documents {
        let mut expected = self.before.clone();
        for n in 0..12 {
            let name = name_of(&zipcode(n));
            let mut document = self.edited[&name].clone();
            if n >= 2 {
                document["city_name"] = json!(format!("City {n}"));
            }
            expected.insert(name, document);
        }
        expected
    }
}

#[tokio::test]
async fn a_wrong_release_is_undone_and_later_edits_stay() {
    let story = Story::tell().await;
    story.assert_shown().await;
    let mut dry = story.request();
    dry["dryRun"] = json!(true);
    let plan = restore(&story.changefeed, dry).await;
    let counts = serde_json::to_value(plan.counts).expect("json");
    assert_eq!(
        (&counts["replace"], &counts["merge"], &counts["unchanged"], &counts["create"], &counts["delete"]),
        (&json!(388), &json!(10), &json!(2), &json!(5), &json!(3)),
        "{counts}"
    );
    let item = |n: usize| plan.items.iter().find(|item| item.id == format!("{n:05}")).expect("an item");
    let merged = serde_json::to_value(item(5)).expect("json");
    assert_eq!(merged["changes"], json!([{"path": "/city_name", "before": "CITY 5", "after": "City 5"}]), "{merged}");
    assert_eq!(merged["keptPaths"], json!(["/updatedBy"]), "{merged}");
    let unchanged = serde_json::to_value(item(0)).expect("json");
    assert_eq!(unchanged["keptPaths"], json!(["/city_name", "/updatedBy"]), "{unchanged}");
    assert_eq!(live_documents(&story.world).await, story.edited, "a dry run writes nothing");

    let report = restore(&story.changefeed, story.request()).await;
    assert_eq!((report.state, report.counts), (JobState::Done, plan.counts));
    assert_eq!(live_documents(&story.world).await, story.expected());
    story.assert_blamed(report.id.as_deref().expect("an id")).await;

    let undone = undo(&story.changefeed, report.id.as_deref().expect("an id")).await;
    assert_eq!(undone.state, JobState::Done, "{:?}", undone.counts);
    let after: Vec<Value> = story.world.query("events", "SELECT * FROM c").await.iter().map(body).collect();
    for document in after {
        let expected = &story.edited[&name_of(&document)];
        let mut document = document;
        for stamp in ["restored_at", "restore_id"] {
            document.as_object_mut().expect("an object").shift_remove(stamp);
        }
        assert_eq!(document.to_string(), expected.to_string(), "byte for byte");
    }
    assert_eq!(live_documents(&story.world).await.len(), story.edited.len());
}

#[tokio::test]
async fn the_changes_of_one_actor_are_undone_on_the_command_line() {
    let story = Story::tell().await;
    let command_line = CommandLine::new(&story.world);
    let (from, to) = (ago(3 * HOUR + 600).to_string(), ago(0).to_string());
    let arguments =
        ["restore", "run", "--changed-between", &from, &to, "--actor", "release-42", "--later-changes", "merge"];
    // Without leases it is not known whether everything is captured.
    let (code, refused) = command_line.text(&[&arguments[..], &["--dry-run"]].concat()).await;
    assert_eq!(code, 1, "{refused}");
    assert!(refused.contains("how far capture is behind is not known") && refused.contains("force"), "{refused}");
    let (code, plan) = command_line.json(&[&arguments[..], &["--force", "--dry-run"]].concat()).await;
    // A delete has no actor. The documents that the release created are kept unless they are to be deleted.
    assert_eq!(
        (code, &plan["counts"]["merge"], &plan["counts"]["kept"]),
        (0, &json!(10), &json!(3)),
        "{}",
        plan["counts"]
    );
    assert_eq!((&plan["counts"]["replace"], &plan["counts"]["create"]), (&json!(388), &json!(0)));
    assert!(plan["warnings"][0].as_str().is_some_and(|text| text.contains("is not undone")), "{}", plan["warnings"]);
    let (code, table) = command_line.text(&[&arguments[..], &["--force", "--yes"]].concat()).await;
    assert_eq!(code, 0, "{table}");
    assert!(table.contains("388 to replace, 10 to merge, 2 unchanged, 3 kept"), "{table}");
    assert!(table.contains("keeps city_name, updatedBy"), "{table}");
}

#[tokio::test]
async fn later_changes_are_reported_kept_or_overwritten_as_the_request_says() {
    let story = Story::tell().await;
    for (later, action, written) in [("conflict", "conflict", 0), ("keep", "kept", 0), ("overwrite", "replace", 12)] {
        let mut request = story.request();
        (request["laterChanges"], request["dryRun"]) = (json!(later), json!(true));
        let plan = restore(&story.changefeed, request).await;
        let edited: Vec<_> = plan.items.iter().filter(|item| item.id.as_str() < "00012").collect();
        let actions: Vec<Value> = edited.iter().map(|item| json!(item.action)).collect();
        assert_eq!(actions, vec![json!(action); 12], "{later}");
        assert_eq!(edited.iter().filter(|item| item.action.is_write()).count(), written);
    }
    let mut strict = story.request();
    (strict["strict"], strict["dryRun"]) = (json!(true), json!(true));
    let plan = restore(&story.changefeed, strict).await;
    assert_eq!((plan.counts.conflict, plan.counts.merge), (12, 0));
}

#[tokio::test]
async fn a_stored_plan_of_a_window_is_executed_as_it_was_shown() {
    Box::pin(stored_plan(false)).await;
}

#[tokio::test]
async fn a_forced_plan_of_a_window_overwrites_later_changes_but_does_only_what_was_shown() {
    Box::pin(stored_plan(true)).await;
}

async fn stored_plan(force: bool) {
    let story = Story::tell().await;
    let changefeed = story.world.changefeed(|options| options.jobs = small_limits());
    let mut request = story.request();
    request["filter"] = json!(["city_name starts with \"CITY 1\""]);
    (request["dryRun"], request["store"], request["force"]) = (json!(true), json!(true), json!(force));
    let plan = start_restore(&changefeed, request).await;
    assert_eq!(finish(&changefeed, &plan).await, JobState::Planned);
    let shown = restore_view(&changefeed, &plan).await.record;
    // 1, 10 to 19 and 100 to 199, of which 0 to 11 were edited later.
    assert_eq!((shown.counts.replace, shown.counts.merge, shown.counts.unchanged), (108, 2, 1), "{:?}", shown.counts);

    // One document changes. A version of the window of another one is captured late.
    let mut changed = live_documents(&story.world).await[&name_of(&zipcode(150))].clone();
    changed["phone"] = json!("later");
    put(&story.events, &changed).await;
    // It is before the release, so that the name to return to is now another one.
    let second = ago(2 * HOUR + 300);
    let late = json!({"current": {"id": "00010", "pk": "00010", "city_name": "LATE", "_ts": second, "_etag": "\"late\""},
        "metadata": {"operationType": "replace", "lsn": 1, "crts": second}});
    capture(&changefeed, &[late]).await;
    changefeed.restores.execute_plan(&plan).await.expect("execute");
    assert_eq!(finish(&changefeed, &plan).await, JobState::Conflicts);
    let done = restore_view(&changefeed, &plan).await.record;
    let replaced = if force { 108 } else { 107 };
    let counts = &done.counts;
    assert_eq!((counts.replace, counts.merge, counts.conflict), (replaced, 1, 109 - replaced), "{counts:?}");
    let messages: BTreeMap<&str, &str> =
        done.items.iter().filter_map(|item| Some((item.id.as_str(), item.message.as_deref()?))).collect();
    assert!(messages["00010"].contains("its history has changed since the plan"), "{messages:?}");
    let live = live_documents(&story.world).await;
    let later = &live[&name_of(&zipcode(150))];
    let (name, phone) = (later["city_name"].as_str(), later["phone"].as_str());
    match force {
        true => assert_eq!((name, phone, messages.len()), (Some("City 150"), None, 1), "{messages:?}"),
        false => assert_eq!((name, phone, messages.len()), (Some("CITY 150"), Some("later"), 2), "{messages:?}"),
    }
    assert_eq!(live[&name_of(&zipcode(11))], story.expected()[&name_of(&zipcode(11))]);
    assert_eq!(live[&name_of(&zipcode(10))], story.edited[&name_of(&zipcode(10))]);
}

#[tokio::test]
async fn some_fields_return_and_the_rest_of_the_document_stays() {
    let story = Story::tell().await;
    let names = |n: usize| json!({"id": format!("{n:05}"), "partitionKey": [format!("{n:05}")]});
    let at = ago(2 * HOUR + 600);
    let request =
        json!({"documents": [names(5), names(50), names(402)], "asOf": at, "fields": ["city_name", "/location"]});
    let report = restore(&story.changefeed, request).await;
    assert_eq!((report.counts.merge, report.counts.conflict), (2, 1), "{:?}", report.items);
    let live = live_documents(&story.world).await;
    for n in [5, 50] {
        let mut expected = story.edited[&name_of(&zipcode(n))].clone();
        expected["city_name"] = json!(format!("City {n}"));
        assert_eq!(live[&name_of(&zipcode(n))], expected);
    }
    undo(&story.changefeed, report.id.as_deref().expect("an id")).await;
    assert_eq!(live_documents(&story.world).await, story.edited);

    // All but the given fields, as a job.
    let changefeed = story.world.changefeed(|options| options.jobs = small_limits());
    let filter = json!({"filter": ["city_name starts with 'CITY 3'"], "filterOn": "live", "asOf": at, "exceptFields": ["updatedBy"]});
    let id = start_restore(&changefeed, filter).await;
    assert_eq!(finish(&changefeed, &id).await, JobState::Done);
    let live = live_documents(&story.world).await;
    let mut expected = story.edited[&name_of(&zipcode(333))].clone();
    expected["city_name"] = json!("City 333");
    assert_eq!(live[&name_of(&zipcode(333))], expected);
}

#[tokio::test]
async fn a_document_with_too_many_versions_since_the_window_is_a_conflict() {
    let world = World::new().await;
    let changefeed = world.changefeed(|_| {});
    let (key, start) = (Key::text("a"), ago(HOUR));
    let writes: Vec<Value> = (0..1002)
        .map(|n| json!({"id": "1", "pk": "a", "n": n, "_ts": start + n, "_etag": format!("\"{n:04}\"")}))
        .collect();
    for batch in writes.chunks(200) {
        capture(&changefeed, batch).await;
    }
    events(&changefeed).await.upsert(&key, "1", &json!({"id": "1", "pk": "a"})).await.expect("upsert");
    let plan = restore(
        &changefeed,
        json!({"changedBetween": {"from": start + 1, "to": start + 3}, "laterChanges": "merge", "dryRun": true}),
    )
    .await;
    assert_eq!(plan.counts.conflict, 1);
    assert!(plan.items[0].message.as_ref().is_some_and(|text| text.contains("more than 1000 versions")), "{plan:?}");
}
