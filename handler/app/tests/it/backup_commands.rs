//! Backups on the command line: written, interrupted, killed, verified, restored.

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use changefeed_jobs::JobState;
use futures::StreamExt;
use local_cosmos::{Effect, Fault, RequestKind};
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::backups::{Documents, live_documents};
use crate::support::{DEADLINE, World, signal, until};

/// A world with documents, and a folder.
struct Shop {
    world: World,
    folder: TempDir,
}

impl Shop {
    async fn open(documents: usize) -> Self {
        let world = World::new().await;
        let puts = (0..documents).map(|n| {
            let key = format!("key-{}", n % 7);
            world.put(key.clone(), json!({"id": format!("item-{n}"), "pk": key, "n": n, "even": n % 2 == 0}))
        });
        // More of them at once are more than a busy machine answers in time.
        futures::stream::iter(puts).buffer_unordered(64).collect::<Vec<_>>().await;
        Self { world, folder: tempfile::tempdir().expect("folder") }
    }

    fn place(&self, name: &str) -> String {
        self.folder.path().join(name).to_string_lossy().into_owned()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_changefeed"));
        command.args(arguments).env("CosmosDB", self.world.endpoint.connection_string()).stdin(Stdio::null());
        command
    }

    async fn run(&self, arguments: &[&str]) -> Output {
        let mut command = self.command(arguments);
        tokio::task::spawn_blocking(move || command.output().expect("changefeed")).await.expect("joined")
    }

    /// The JSON that a command answers with; it must end with this code.
    async fn answer(&self, code: i32, arguments: &[&str]) -> Value {
        let output = self.run(&[arguments, &["--output", "json"]].concat()).await;
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {error}");
        serde_json::from_slice(&output.stdout).unwrap_or_default()
    }

    /// Has these requests for documents take so long that no command ends before it is interrupted.
    fn hold(&self, kind: RequestKind) {
        let effect = Effect::Delay(Duration::from_secs(1));
        self.world.endpoint.inject(Fault { container: Some("events".into()), kind, times: 100_000, effect });
    }

    /// Starts a command and sends it a signal after a random while, in the middle of whatever it does.
    async fn interrupted(&self, random: &mut SmallRng, name: &str, arguments: &[&str]) {
        let child = self.command(arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("changefeed");
        tokio::time::sleep(Duration::from_millis(random.random_range(50..1500))).await;
        signal(name, child.id());
        let child = std::sync::Mutex::new(child);
        let ended = std::sync::Mutex::new(None);
        until("its end", DEADLINE, async || {
            let status = child.lock().expect("child").try_wait().expect("wait");
            *ended.lock().expect("status") = status;
            status.is_some()
        })
        .await;
        let ended = ended.into_inner().expect("status");
        assert!(ended.is_some_and(|status| !status.success()), "{arguments:?} ended before {name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_is_written_verified_listed_and_restored_by_commands() {
    let shop = Shop::open(300).await;
    let before = live_documents(&shop.world).await;
    let place = shop.place("first");
    let backup = shop.answer(0, &["backup", "create", "--to", &place, "--reason", "before the release"]).await;
    assert_eq!((&backup["state"], &backup["counts"]["documents"]), (&json!("done"), &json!(300)), "{backup}");
    let verified = shop.answer(0, &["backup", "verify", &place]).await;
    assert_eq!((&verified["documents"], &verified["damages"]), (&json!(300), &json!([])));
    let listed = shop.answer(0, &["backup", "list", &shop.folder.path().to_string_lossy()]).await;
    assert_eq!(listed["items"][0]["name"], "first");
    let itself = shop.answer(0, &["backup", "list", &place]).await;
    assert_eq!((&itself["items"], &itself["itself"]["documents"]), (&json!([]), &json!(300)), "{itself}");

    // What is changed, deleted and made again afterwards is in the next one.
    shop.world.put("key-1", json!({"id": "item-1", "pk": "key-1", "n": -1, "even": false})).await;
    shop.world.put("key-0", json!({"id": "new", "pk": "key-0", "n": -2, "even": true})).await;
    let after = live_documents(&shop.world).await;
    let second = shop.place("second");
    shop.answer(0, &["backup", "create", "--to", &second, "--incremental-from", &place]).await;
    assert_eq!(shop.run(&["truncate", "--container", "events", "--max", "1000", "--yes"]).await.status.code(), Some(0));

    let asked = shop.run(&["backup", "restore", &place]).await;
    let shown = String::from_utf8_lossy(&asked.stdout).into_owned();
    assert!(!asked.status.success() && shown.contains("300 to create") && shown.contains("item-"), "{shown}");
    assert_eq!(live_documents(&shop.world).await, Documents::new(), "it asks first");
    let even = shop.answer(0, &["backup", "restore", &place, "--filter", "even=true", "--yes"]).await;
    assert_eq!(even["counts"]["create"], 150, "{even}");
    let restored = shop.answer(0, &["backup", "restore", &place, "--yes"]).await;
    assert_eq!((&restored["counts"]["create"], &restored["counts"]["unchanged"]), (&json!(150), &json!(150)));
    assert_eq!(live_documents(&shop.world).await, before);
    shop.answer(0, &["backup", "restore", &place, &second, "--yes"]).await;
    assert_eq!(live_documents(&shop.world).await, after);
    let undone = shop.answer(0, &["restore", "undo", restored["id"].as_str().expect("id"), "--yes", "--force"]).await;
    assert_eq!(undone["counts"]["delete"], 150, "{undone}");
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_that_are_killed_go_on_where_they_were() {
    let shop = Shop::open(2000).await;
    let before = live_documents(&shop.world).await;
    let place = shop.place("b");
    let create = ["backup", "create", "--to", &place, "--ru-per-second", "100000"];
    let mut random = SmallRng::seed_from_u64(1);
    shop.hold(RequestKind::Query);
    for name in ["-KILL", "-INT", "-KILL"] {
        shop.interrupted(&mut random, name, &create).await;
    }
    shop.world.endpoint.clear_faults();
    shop.answer(0, &create).await;
    let jobs = shop.world.query("jobs", "SELECT * FROM c WHERE c.kind = 'backup'").await;
    assert_eq!((jobs.len(), &jobs[0]["state"]), (1, &json!("done")), "one job, however often it was asked for");
    let verified = shop.answer(0, &["backup", "verify", &place]).await;
    assert_eq!(verified["documents"], 2000);

    shop.answer(0, &["truncate", "--container", "events", "--max", "10000", "--yes"]).await;
    shop.hold(RequestKind::Write);
    shop.interrupted(&mut random, "-KILL", &["backup", "restore", &place, "--yes"]).await;
    let restores = shop.world.query("jobs", "SELECT * FROM c WHERE c.kind = 'restore'").await;
    if let Some(restore) = restores.first() {
        let id = restore["id"].as_str().expect("id").to_owned();
        for _ in 0..2 {
            shop.interrupted(&mut random, "-KILL", &["restore", "show", &id, "--follow"]).await;
        }
        shop.world.endpoint.clear_faults();
        let done = shop.answer(0, &["restore", "show", &id, "--follow"]).await;
        assert_eq!((&done["state"], &done["counts"]["create"]), (&json!("done"), &json!(2000)), "{}", done["counts"]);
    } else {
        shop.world.endpoint.clear_faults();
        shop.answer(0, &["backup", "restore", &place, "--yes"]).await;
    }
    assert_eq!(live_documents(&shop.world).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_same_backup_is_gone_on_with_and_a_discarded_one_has_ended() {
    let shop = Shop::open(20).await;
    let (changefeed, place) = (shop.world.changefeed(|_| ()), shop.place("2026-11-27T10:00"));
    let request = json!({"to": place, "asOf": 2000, "ruPerSecond": 500});
    let begun = changefeed.backups.create_job(&serde_json::from_value(request).expect("request")).await.expect("a job");
    let create = ["backup", "create", "--to", &place];
    for other in [&["--as-of", "3000"][..], &[], &["--as-of", "2000", "--filter", "a=1"]] {
        let refused = shop.run(&[&create[..], other].concat()).await;
        let told = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert_eq!(refused.status.code(), Some(1), "{other:?}: {told}");
        assert!(told.contains("with other options, as of 1970-01-01T00:33:20Z"), "{told}");
    }
    // Somewhere else the job cannot be done: what it is told before shows that it is gone on with.
    for (same, budget) in [(&["--as-of", "2000"][..], 500.0), (&["--as-of", "-5s", "--ru-per-second", "700"], 700.0)] {
        let gone_on = shop.run(&[&create[..], same].concat()).await;
        let told = String::from_utf8_lossy(&gone_on.stderr).into_owned();
        let kept = "The limit of request units is unchanged: 500 RU/s";
        assert!(told.contains(&format!("Resuming backup {}, started ", begun.id)), "{told}");
        assert!(told.contains("as of 1970-01-01T00:33:20Z") && told.contains(kept) == (budget == 500.0), "{told}");
        assert_eq!(changefeed.jobs.job(&begun.id).await.expect("job").job.ru_per_second, Some(budget));
    }
    let anew = shop.answer(0, &[&create[..], &["--discard"]].concat()).await;
    assert_eq!((&anew["state"], &anew["counts"]["documents"]), (&json!("done"), &json!(20)));
    assert_eq!(changefeed.jobs.job(&begun.id).await.expect("job").state, JobState::Cancelled);
    let listed = shop.answer(0, &["backup", "list", &shop.folder.path().to_string_lossy()]).await;
    assert_eq!(listed["items"][0]["name"], "2026-11-27T10:00", "{listed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn damage_and_wrong_places_are_told_by_their_names_and_exit_codes() {
    let shop = Shop::open(50).await;
    let place = shop.place("b");
    shop.answer(0, &["backup", "create", "--to", &place]).await;
    let again = shop.run(&["backup", "create", "--to", &place]).await;
    assert_eq!(again.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&again.stderr).contains("there is a backup already"));
    let segment = Path::new(&place).join("part-00000.ndjson.zst");
    let mut bytes = std::fs::read(&segment).expect("segment");
    bytes[40] ^= 1;
    std::fs::write(&segment, bytes).expect("written");
    let found = shop.answer(3, &["backup", "verify", &place]).await;
    assert!(found["damages"][0].to_string().contains("part-00000.ndjson.zst"), "{found}");
    for more in [&["--dry-run"][..], &["--yes"]] {
        let refused = shop.run(&[&["backup", "restore", &place], more].concat()).await;
        assert_ne!(refused.status.code(), Some(0));
        assert!(String::from_utf8_lossy(&refused.stdout).contains("part-00000.ndjson.zst has SHA-256"));
    }
    for arguments in [["backup", "verify", "/nowhere"], ["backup", "restore", "/nowhere"]] {
        let refused = shop.run(&arguments).await;
        assert_eq!(refused.status.code(), Some(1));
        assert!(String::from_utf8_lossy(&refused.stderr).contains("there is no backup"), "{refused:?}");
    }
    // What can never be a document is told by its reason, in the plan and in the end.
    let odd = shop.place("dump-10:30.ndjson");
    std::fs::write(&odd, "{\"pk\": \"key-0\"}\n").expect("written");
    for more in ["--dry-run", "--yes"] {
        let failed = shop.run(&["backup", "restore", &odd, more]).await;
        let told = String::from_utf8_lossy(&failed.stdout).into_owned();
        assert_eq!(failed.status.code(), Some(1), "{more}: {told}");
        assert!(told.contains("it has no id") && !told.contains("To undo it"), "{told}");
    }
    // Without Cosmos DB, backups can be looked at.
    let mut verify = Command::new(env!("CARGO_BIN_EXE_changefeed"));
    let output = verify.args(["backup", "verify", &place]).env_remove("CosmosDB").output().expect("changefeed");
    assert_eq!(output.status.code(), Some(3));

    let handler = shop.world.handler();
    let (status, answer) = handler.post("/api/backups", &json!({"to": "/somewhere"})).await;
    assert_eq!(status.as_u16(), 400);
    assert!(answer["error"]["message"].as_str().expect("message").contains("URL of blobs"), "{answer}");
    let (_, listed) = handler.get("/api/backups").await;
    let id = listed["items"][0]["id"].as_str().expect("id");
    assert_eq!(handler.get(&format!("/api/backups/{id}")).await.1["counts"]["documents"], 50);
    assert_eq!(handler.post("/api/restores", &json!({"from": place})).await.0.as_u16(), 400);
}
