//! Commands that create, verify, list and restore backups, also when they are interrupted or killed.

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::Mutex;
use std::time::Duration;

use changefeed_cosmos::ErrorKind;
use changefeed_jobs::JobState;
use changefeed_operations::BackupRequest;
use futures::StreamExt;
use local_cosmos::{Effect, Fault, RequestKind};
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::backups::{Documents, live_documents};
use crate::support::{DEADLINE, Handler, World, executable, signal, until};

/// Containers with documents, and a folder for backups.
struct Setup {
    world: World,
    folder: TempDir,
}

impl Setup {
    async fn with_documents(documents: usize) -> Self {
        let world = World::new().await;
        let puts = (0..documents).map(|n| {
            let key = format!("key-{}", n % 7);
            world.put(key.clone(), json!({"id": format!("item-{n}"), "pk": key, "n": n, "even": n % 2 == 0}))
        });
        // A busy machine does not answer more concurrent requests in time.
        futures::stream::iter(puts).buffer_unordered(64).collect::<Vec<_>>().await;
        Self { world, folder: tempfile::tempdir().expect("folder") }
    }

    fn location(&self, name: &str) -> String {
        self.folder.path().join(name).to_string_lossy().into_owned()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = executable();
        command.args(arguments).env("CosmosDB", self.world.endpoint.connection_string()).stdin(Stdio::null());
        command
    }

    async fn run(&self, arguments: &[&str]) -> Output {
        let mut command = self.command(arguments);
        tokio::task::spawn_blocking(move || command.output().expect("changefeed")).await.expect("joined")
    }

    /// Runs a command with JSON output. Checks its exit code.
    async fn json(&self, code: i32, arguments: &[&str]) -> Value {
        let output = self.run(&[arguments, &["--output", "json"]].concat()).await;
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {error}");
        serde_json::from_slice(&output.stdout).unwrap_or_default()
    }

    /// Delays requests for documents so that no command ends before it is interrupted.
    fn delay(&self, kind: RequestKind) {
        let effect = Effect::Delay(Duration::from_secs(1));
        self.world.endpoint.inject(Fault { container: Some("events".into()), kind, times: 100_000, effect });
    }

    /// Starts a command and interrupts it with a signal after a random time.
    async fn interrupt(&self, random: &mut SmallRng, signal_name: &str, arguments: &[&str]) {
        let child = self.command(arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("changefeed");
        tokio::time::sleep(Duration::from_millis(random.random_range(50..1500))).await;
        signal(signal_name, child.id());
        let child = Mutex::new(child);
        let ended = Mutex::new(None);
        until("the exit of the command", DEADLINE, async || {
            let status = child.lock().expect("child").try_wait().expect("wait");
            *ended.lock().expect("status") = status;
            status.is_some()
        })
        .await;
        let ended = ended.into_inner().expect("status");
        assert!(ended.is_some_and(|status| !status.success()), "{arguments:?} ended before {signal_name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_create_verify_list_and_restore_a_backup() {
    let setup = Setup::with_documents(300).await;
    let before = live_documents(&setup.world).await;
    let location = setup.location("first");
    let backup = setup.json(0, &["backup", "create", "--to", &location, "--reason", "before the release"]).await;
    assert_eq!((&backup["state"], &backup["counts"]["documents"]), (&json!("done"), &json!(300)), "{backup}");
    let verified = setup.json(0, &["backup", "verify", &location]).await;
    assert_eq!((&verified["documents"], &verified["damages"]), (&json!(300), &json!([])));
    let listed = setup.json(0, &["backup", "list", &setup.folder.path().to_string_lossy()]).await;
    assert_eq!(listed["items"][0]["name"], "first");
    let itself = setup.json(0, &["backup", "list", &location]).await;
    assert_eq!((&itself["items"], &itself["itself"]["documents"]), (&json!([]), &json!(300)), "{itself}");

    // The next backup has the changes since the first one.
    setup.world.put("key-1", json!({"id": "item-1", "pk": "key-1", "n": -1, "even": false})).await;
    setup.world.put("key-0", json!({"id": "new", "pk": "key-0", "n": -2, "even": true})).await;
    let after = live_documents(&setup.world).await;
    let second = setup.location("second");
    setup.json(0, &["backup", "create", "--to", &second, "--incremental-from", &location]).await;
    assert_eq!(
        setup.run(&["truncate", "--container", "events", "--max", "1000", "--yes"]).await.status.code(),
        Some(0)
    );

    let unconfirmed = setup.run(&["backup", "restore", &location]).await;
    let printed = String::from_utf8_lossy(&unconfirmed.stdout).into_owned();
    assert!(
        !unconfirmed.status.success() && printed.contains("300 to create") && printed.contains("item-"),
        "{printed}"
    );
    assert_eq!(live_documents(&setup.world).await, Documents::new(), "no confirmation");
    let even = setup.json(0, &["backup", "restore", &location, "--filter", "even=true", "--yes"]).await;
    assert_eq!(even["counts"]["create"], 150, "{even}");
    let restored = setup.json(0, &["backup", "restore", &location, "--yes"]).await;
    assert_eq!((&restored["counts"]["create"], &restored["counts"]["unchanged"]), (&json!(150), &json!(150)));
    assert_eq!(live_documents(&setup.world).await, before);
    setup.json(0, &["backup", "restore", &location, &second, "--yes"]).await;
    assert_eq!(live_documents(&setup.world).await, after);
    let undone = setup.json(0, &["restore", "undo", restored["id"].as_str().expect("id"), "--yes", "--force"]).await;
    assert_eq!(undone["counts"]["delete"], 150, "{undone}");
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_commands_are_resumed() {
    let setup = Setup::with_documents(2000).await;
    let before = live_documents(&setup.world).await;
    let location = setup.location("b");
    let create = ["backup", "create", "--to", &location, "--ru-per-second", "100000"];
    let mut random = SmallRng::seed_from_u64(1);
    setup.delay(RequestKind::Query);
    for signal_name in ["-KILL", "-INT", "-KILL"] {
        setup.interrupt(&mut random, signal_name, &create).await;
    }
    setup.world.endpoint.clear_faults();
    setup.json(0, &create).await;
    let jobs = setup.world.query("jobs", "SELECT * FROM c WHERE c.kind = 'backup'").await;
    assert_eq!((jobs.len(), &jobs[0]["state"]), (1, &json!("done")), "every run resumes the same job");
    let verified = setup.json(0, &["backup", "verify", &location]).await;
    assert_eq!(verified["documents"], 2000);

    setup.json(0, &["truncate", "--container", "events", "--max", "10000", "--yes"]).await;
    setup.delay(RequestKind::Write);
    setup.interrupt(&mut random, "-KILL", &["backup", "restore", &location, "--yes"]).await;
    let restores = setup.world.query("jobs", "SELECT * FROM c WHERE c.kind = 'restore'").await;
    if let Some(restore) = restores.first() {
        let id = restore["id"].as_str().expect("id").to_owned();
        for _ in 0..2 {
            setup.interrupt(&mut random, "-KILL", &["restore", "show", &id, "--follow"]).await;
        }
        setup.world.endpoint.clear_faults();
        let done = setup.json(0, &["restore", "show", &id, "--follow"]).await;
        assert_eq!((&done["state"], &done["counts"]["create"]), (&json!("done"), &json!(2000)), "{}", done["counts"]);
    } else {
        setup.world.endpoint.clear_faults();
        setup.json(0, &["backup", "restore", &location, "--yes"]).await;
    }
    assert_eq!(live_documents(&setup.world).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_is_resumed_only_with_the_same_options_and_a_discarded_one_is_cancelled() {
    let setup = Setup::with_documents(20).await;
    let (changefeed, location) = (setup.world.changefeed(|_| ()), setup.location("2026-11-27T10:00"));
    let request = json!({"to": location, "asOf": 2000, "ruPerSecond": 500});
    let started =
        changefeed.backups.create_job(&serde_json::from_value(request).expect("request")).await.expect("a job");
    let create = ["backup", "create", "--to", &location];
    for other in [&["--as-of", "3000"][..], &[], &["--as-of", "2000", "--filter", "a=1"]] {
        let refused = setup.run(&[&create[..], other].concat()).await;
        let printed = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert_eq!(refused.status.code(), Some(1), "{other:?}: {printed}");
        assert!(printed.contains("with other options, as of 1970-01-01T00:33:20Z"), "{printed}");
    }
    // The job cannot run on this machine, but the messages before the error show that it is resumed.
    for (same, budget) in [(&["--as-of", "2000"][..], 500.0), (&["--as-of", "-5s", "--ru-per-second", "700"], 700.0)] {
        let resumed = setup.run(&[&create[..], same].concat()).await;
        let printed = String::from_utf8_lossy(&resumed.stderr).into_owned();
        let unchanged = "The limit of request units is unchanged: 500 RU/s";
        assert!(printed.contains(&format!("Resuming backup {}, started ", started.id)), "{printed}");
        assert!(
            printed.contains("as of 1970-01-01T00:33:20Z") && printed.contains(unchanged) == (budget == 500.0),
            "{printed}"
        );
        assert_eq!(changefeed.jobs.job(&started.id).await.expect("job").job.ru_per_second, Some(budget));
    }
    let replacement = setup.json(0, &[&create[..], &["--discard"]].concat()).await;
    assert_eq!((&replacement["state"], &replacement["counts"]["documents"]), (&json!("done"), &json!(20)));
    assert_eq!(changefeed.jobs.job(&started.id).await.expect("job").state, JobState::Cancelled);
    let listed = setup.json(0, &["backup", "list", &setup.folder.path().to_string_lossy()]).await;
    assert_eq!(listed["items"][0]["name"], "2026-11-27T10:00", "{listed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn damaged_and_missing_backups_are_named_and_have_distinct_exit_codes() {
    let setup = Setup::with_documents(50).await;
    let location = setup.location("b");
    setup.json(0, &["backup", "create", "--to", &location]).await;
    let repeated = setup.run(&["backup", "create", "--to", &location]).await;
    assert_eq!(repeated.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&repeated.stderr).contains("there is a backup already"));
    let segment = Path::new(&location).join("part-00000.ndjson.zst");
    let mut bytes = std::fs::read(&segment).expect("segment");
    bytes[40] ^= 1;
    std::fs::write(&segment, bytes).expect("written");
    let found = setup.json(3, &["backup", "verify", &location]).await;
    assert!(found["damages"][0].to_string().contains("part-00000.ndjson.zst"), "{found}");
    for more in [&["--dry-run"][..], &["--yes"]] {
        let refused = setup.run(&[&["backup", "restore", &location], more].concat()).await;
        assert_ne!(refused.status.code(), Some(0));
        assert!(String::from_utf8_lossy(&refused.stdout).contains("part-00000.ndjson.zst has SHA-256"));
    }
    for arguments in [["backup", "verify", "/nowhere"], ["backup", "restore", "/nowhere"]] {
        let refused = setup.run(&arguments).await;
        assert_eq!(refused.status.code(), Some(1));
        assert!(String::from_utf8_lossy(&refused.stderr).contains("there is no backup"), "{refused:?}");
    }
    // An invalid document is reported with the reason, in the plan and in the result.
    let odd = setup.location("dump-10:30.ndjson");
    std::fs::write(&odd, "{\"pk\": \"key-0\"}\n").expect("written");
    for more in ["--dry-run", "--yes"] {
        let failed = setup.run(&["backup", "restore", &odd, more]).await;
        let printed = String::from_utf8_lossy(&failed.stdout).into_owned();
        assert_eq!(failed.status.code(), Some(1), "{more}: {printed}");
        assert!(printed.contains("it has no id") && !printed.contains("To undo it"), "{printed}");
    }
    // Verifying a backup does not need Cosmos DB.
    let mut verify = executable();
    let output = verify.args(["backup", "verify", &location]).env_remove("CosmosDB").output().expect("changefeed");
    assert_eq!(output.status.code(), Some(3));

    let handler = setup.world.handler();
    let (status, answer) = handler.post("/api/backups", &json!({"to": "/somewhere"})).await;
    assert_eq!(status.as_u16(), 400);
    assert!(answer["error"]["message"].as_str().expect("message").contains("URL of blobs"), "{answer}");
    let elsewhere = "https://backups.example.com/c/p";
    let connection = setup.world.endpoint.connection_string();
    // Nothing listens there: what is not allowed is refused before a connection to any location.
    let account = "BlobEndpoint=http://127.0.0.1:9/shop;AccountName=shop;AccountKey=c2VjcmV0";
    let with_account = Handler::start(&[("CosmosDB", &connection), ("CHANGEFEED_BACKUP_STORAGE", account)]);
    for (handler, own) in
        [(&handler, "https://shop.blob.core.windows.net/c/p"), (&with_account, "http://127.0.0.1:9/shop/c/p")]
    {
        for (path, request) in [
            ("/api/backups", json!({"to": elsewhere})),
            ("/api/backups", json!({"to": own, "incrementalFrom": elsewhere})),
            ("/api/restores", json!({"from": elsewhere})),
            ("/api/restores", json!({"from": [own, elsewhere]})),
        ] {
            let (status, answer) = handler.post(path, &request).await;
            assert_eq!(
                (status.as_u16(), &answer["error"]["code"]),
                (400, &json!("PlaceNotAllowed")),
                "{request} {answer}"
            );
        }
    }
    let (_, listed) = handler.get("/api/backups").await;
    let id = listed["items"][0]["id"].as_str().expect("id");
    assert_eq!(handler.get(&format!("/api/backups/{id}")).await.1["counts"]["documents"], 50);
    assert_eq!(handler.post("/api/restores", &json!({"from": location})).await.0.as_u16(), 400);
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn a_backup_that_could_not_be_written_is_resumed_by_the_same_command() {
    let setup = Setup::with_documents(700).await;
    let location = setup.location("b");
    let create = ["backup", "create", "--to", &location, "--reason", "nightly"];
    // A file may have this many blocks: a write fails in its middle, as on a full disk.
    let limited = async |blocks: u32| {
        let mut command = Command::new("sh");
        let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\"");
        command.args(["-c", &script, env!("CARGO_BIN_EXE_changefeed")]).args(create).stdin(Stdio::null());
        command.env("CosmosDB", setup.world.endpoint.connection_string());
        tokio::task::spawn_blocking(move || command.output().expect("changefeed")).await.expect("joined")
    };
    let files = || {
        let entries = std::fs::read_dir(&location).into_iter().flatten();
        let mut names: Vec<String> =
            entries.map(|entry| entry.expect("entry").file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    };
    // There is no room for any file, and then none for a segment.
    for (blocks, left, verified_code) in [(0, &[][..], 1), (8, &["progress.json"], 3)] {
        let failed = limited(blocks).await;
        let printed = [failed.stdout, failed.stderr].concat();
        let printed = String::from_utf8_lossy(&printed);
        assert_eq!(failed.status.code(), Some(1), "{printed}");
        assert!(printed.contains("File too large"), "{printed}");
        assert_eq!(printed.contains("run the same command again"), !left.is_empty(), "{printed}");
        assert_eq!(files(), left, "nothing else stays");
        let verified = setup.run(&["backup", "verify", &location]).await;
        assert_eq!(verified.status.code(), Some(verified_code), "there is no backup, and then an unfinished one");
    }
    let progress = std::fs::read(Path::new(&location).join("progress.json")).expect("progress");
    let failed_id = serde_json::from_slice::<Value>(&progress).expect("JSON")["backup"]["id"].clone();
    let other = setup.run(&[&create[..], &["--filter", "even=true"]].concat()).await;
    assert_eq!(other.status.code(), Some(1), "other options do not resume it");
    let changefeed = setup.world.changefeed(|_| ());
    let request = BackupRequest { to: location.clone(), ..BackupRequest::default() };
    let filter = vec![serde_json::from_value(json!("even=true")).expect("filter")];
    let other = changefeed.backups.create_job(&BackupRequest { filter, ..request.clone() }).await;
    assert_eq!(other.expect_err("other options").kind(), ErrorKind::Conflict);
    let again = changefeed.backups.create_job(&request).await.expect("the same backup");
    assert_eq!((again.state, &json!(again.id)), (JobState::Queued, &failed_id), "a second request resumes it too");
    let resumed = setup.json(0, &create).await;
    assert_eq!((&resumed["state"], &resumed["counts"]["documents"]), (&json!("done"), &json!(700)), "{resumed}");
    assert_eq!(setup.json(0, &["backup", "verify", &location]).await["damages"], json!([]));
    let jobs = setup.world.query("jobs", "SELECT * FROM c WHERE c.kind = 'backup' AND c.state = 'done'").await;
    assert_eq!(jobs.len(), 1);
    // The first attempt wrote nothing, so the second created another job; the third resumed the second.
    assert_eq!(setup.world.query("jobs", "SELECT * FROM c WHERE c.kind = 'backup'").await.len(), 2);

    // A file system that replaces a file in steps can leave the beginning of one.
    let half = setup.location("half");
    std::fs::create_dir(&half).expect("folder");
    for text in ["", "{\n  \"format\": 2,\n  \"backup\": {"] {
        std::fs::write(Path::new(&half).join("progress.json"), text).expect("written");
        std::fs::write(Path::new(&half).join("part-00000.ndjson.zst"), "torn").expect("written");
        assert_eq!(setup.json(0, &["backup", "create", "--to", &half]).await["counts"]["documents"], 700);
        std::fs::remove_dir_all(&half).expect("removed");
        std::fs::create_dir(&half).expect("folder");
    }
    // A damaged file may be another version's: it is discarded on request only.
    std::fs::write(Path::new(&half).join("progress.json"), "{\"format\": 9}").expect("written");
    assert_eq!(setup.run(&["backup", "create", "--to", &half]).await.status.code(), Some(1));
    setup.json(0, &["backup", "create", "--to", &half, "--discard"]).await;
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn a_backup_without_the_permission_to_write_is_resumed_by_the_same_command() {
    use std::os::unix::fs::PermissionsExt;

    let setup = Setup::with_documents(50).await;
    let location = setup.location("b");
    let set_mode = |mode| std::fs::set_permissions(&location, std::fs::Permissions::from_mode(mode)).expect("mode");
    std::fs::create_dir(&location).expect("folder");
    set_mode(0o555);
    if std::fs::write(Path::new(&location).join("x"), "x").is_ok() {
        // The superuser may write everywhere.
        return;
    }
    let create = ["backup", "create", "--to", &location];
    assert_eq!(setup.run(&create).await.status.code(), Some(1));
    set_mode(0o755);
    assert_eq!(setup.json(0, &create).await["counts"]["documents"], 50);
}
