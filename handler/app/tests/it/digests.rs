//! Digests of the history: altered, removed and added versions are named, and so are files of digests that were tampered with.

use std::path::Path;

use azure_data_cosmos::models::{ContainerProperties, PartitionKeyDefinition};
use changefeed_jobs::JobState;
use changefeed_operations::{Changefeed, Finding};
use local_cosmos::LoggedKind;
use reqwest::StatusCode;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::digests::{
    HOUR, LATER, at, digest_files, digest_lines, set_clock, start_digests, verify_digests, write, write_digests,
};
use crate::support::jobs::finish;
use crate::support::verify::{
    delete_record, finding_summaries, overwrite_record, text_larger_than_an_item, version_parts,
};
use crate::support::{CommandLine, World, version_id};

/// A history of four hours, and its digests in a folder.
struct Sealed {
    world: World,
    folder: TempDir,
    changefeed: Changefeed,
    /// The documents of each hour, as they were written.
    hours: Vec<Vec<Value>>,
}

impl Sealed {
    async fn new() -> Self {
        let (world, folder) = (World::new().await, tempfile::tempdir().expect("folder"));
        let mut hours = Vec::new();
        for hour in 0..4 {
            let changefeed = at(&world, hour * HOUR);
            hours.push(write(&world, &changefeed, &["1", "2", &format!("of-{hour}")], "text").await);
        }
        let changefeed = at(&world, 3 * HOUR + LATER);
        write_digests(&changefeed, folder.path()).await;
        Self { world, folder, changefeed, hours }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    async fn findings(&self) -> Vec<(String, String, String)> {
        let (record, findings) = verify_digests(&self.changefeed, self.path()).await;
        let expected = if findings.is_empty() { JobState::Done } else { JobState::Findings };
        assert_eq!((record.state, record.counts.found()), (expected, findings.len() as u64));
        finding_summaries(&findings)
    }

    fn version(&self, hour: usize, number: usize) -> String {
        version_id(&self.hours[hour][number])
    }
}

fn finding(kind: &str, id: &str, version: &str) -> (String, String, String) {
    (kind.to_owned(), id.to_owned(), version.to_owned())
}

/// The names of the files of digests with findings, and the messages.
async fn broken(changefeed: &Changefeed, folder: &Path) -> Vec<(String, String)> {
    let (_, findings) = verify_digests(changefeed, folder).await;
    let named = |finding: &Finding| (finding.version.to_string(), finding.message.clone().unwrap_or_default());
    assert!(findings.iter().all(|finding| json!(finding.kind) == "chainBroken"), "{findings:?}");
    let mut named: Vec<_> = findings.iter().map(named).collect();
    named.sort();
    named
}

#[tokio::test]
async fn each_hour_has_a_file_that_continues_the_one_before_and_is_written_once() {
    let sealed = Sealed::new().await;
    let files = digest_files(sealed.path());
    assert_eq!(files.len(), 4, "{:?}", files.keys());
    assert!(files.contains_key("1970-01-01T00-00-00Z.ndjson.zst"), "{:?}", files.keys());
    let lines = digest_lines(sealed.path());
    let headers: Vec<&Value> = lines.iter().filter(|line| line["format"] == 1).collect();
    let names: Vec<&String> = files.keys().collect();
    for (number, header) in headers.iter().enumerate() {
        assert_eq!(header["versions"], 3, "{header}");
        assert_eq!(header["to"].as_i64().expect("a second") % HOUR, 0);
        let before = number.checked_sub(1);
        assert_eq!(header["from"].as_i64(), before.map_or(Some(0), |before| headers[before]["to"].as_i64()));
        assert_eq!(header["previous"]["name"].as_str(), before.map(|before| names[before].as_str()));
    }
    // The same content has the same bytes.
    let other = tempfile::tempdir().expect("folder");
    let written = write_digests(&sealed.changefeed, other.path()).await;
    assert_eq!((written.counts.files, written.counts.versions, written.counts.removals), (4, 12, 0));
    assert_eq!(digest_files(other.path()), files);
    let again = write_digests(&sealed.changefeed, sealed.path()).await;
    assert_eq!((again.counts.files, &again.counts.complete_until), (0, &written.counts.complete_until));
    // The hour that is not over is written later, and nothing between.
    let changefeed = at(&sealed.world, 100 * HOUR);
    write(&sealed.world, &changefeed, &["late"], "text").await;
    assert_eq!(write_digests(&changefeed, sealed.path()).await.counts.files, 0);
    let changefeed = at(&sealed.world, 100 * HOUR + LATER);
    assert_eq!(write_digests(&changefeed, sealed.path()).await.counts.files, 1);
    let (record, findings) = verify_digests(&changefeed, sealed.path()).await;
    assert_eq!((record.state, record.counts.versions, findings), (JobState::Done, 13, Vec::new()));
}

#[tokio::test]
async fn altered_removed_and_added_versions_are_named() {
    let sealed = Sealed::new().await;
    assert_eq!(sealed.findings().await, []);
    let world = &sealed.world;
    let versions = world.versions().await;
    let record = |hour: usize, number: usize| versions[&sealed.version(hour, number)].clone();

    // The same content in another spelling and order is no other content.
    let mut same = record(3, 1);
    let text = same["document"].to_string().replace("1.5", "15e-1");
    same["document"] = serde_json::from_str(&text).expect("JSON");
    overwrite_record(world, same).await;
    assert_eq!(sealed.findings().await, []);

    let mut altered = record(0, 0);
    altered["document"]["n"] = json!(1.25);
    overwrite_record(world, altered).await;
    let mut with_other_author = record(1, 2);
    with_other_author["actor"] = json!("eve");
    overwrite_record(world, with_other_author).await;
    // A version that expires is not as it was.
    let mut expiring = record(3, 0);
    expiring["ttl"] = json!(86_400);
    overwrite_record(world, expiring).await;
    // A record that seems to be a part of another one.
    let mut hidden = record(2, 1);
    hidden["partOf"] = json!("x");
    overwrite_record(world, hidden).await;
    delete_record(world, &record(2, 0)).await;
    // With the clock of an hour that has digests: no caller of the service can do that.
    let _ = at(world, HOUR);
    let mut added = record(0, 1);
    added["id"] = json!(format!("{:010}-added", added["sourceTs"].as_i64().expect("a second")));
    overwrite_record(world, added.clone()).await;
    let changefeed = at(world, 3 * HOUR + LATER);
    let (record, findings) = verify_digests(&changefeed, sealed.path()).await;
    let mut expected = vec![
        finding("altered", "1", &sealed.version(0, 0)),
        finding("altered", "of-1", &sealed.version(1, 2)),
        finding("altered", "1", &sealed.version(3, 0)),
        finding("altered", "2", &sealed.version(2, 1)),
        finding("removed", "", &sealed.version(2, 0)),
        finding("added", "2", added["id"].as_str().expect("id")),
    ];
    expected.sort();
    assert_eq!(finding_summaries(&findings), expected);
    let counts = record.counts;
    assert_eq!((counts.altered, counts.removed, counts.added, counts.chain_broken), (4, 1, 1, 0));

    // The command says so with its exit code, and a repair is refused.
    let line = CommandLine::new(world);
    let folder = sealed.path().display().to_string();
    let (code, answer) = line.json(&["verify", "--digests", &folder]).await;
    assert_eq!((code, &answer["state"], &answer["counts"]["altered"]), (3, &json!("findings"), &json!(4)), "{answer}");
    let (code, text) = line.text(&["verify", "--digests", &folder]).await;
    assert!(code == 3 && text.contains("4 altered, 1 removed, 1 added"), "{text}");
    let repair = json!({"repair": true, "findingsOf": answer["id"]});
    let refused = changefeed.verifications.create_job(&serde_json::from_value(repair).expect("request")).await;
    assert!(refused.expect_err("refused").to_string().contains("cannot be repaired"));
}

#[tokio::test]
async fn a_large_version_is_compared_with_its_parts() {
    let (world, folder) = (World::new().await, tempfile::tempdir().expect("folder"));
    let changefeed = at(&world, 0);
    let large = write(&world, &changefeed, &["large", "larger"], &text_larger_than_an_item()).await;
    let changefeed = at(&world, LATER);
    write_digests(&changefeed, folder.path()).await;
    assert_eq!(verify_digests(&changefeed, folder.path()).await.1, []);
    let parts = version_parts(&world).await;
    let part_of = |document: &Value| {
        parts.iter().find(|part| part["partOf"] == version_id(document).as_str()).expect("a part").clone()
    };
    delete_record(&world, &part_of(&large[0])).await;
    let mut damaged = part_of(&large[1]);
    damaged["data"] = json!("AAAA");
    overwrite_record(&world, damaged).await;
    let (_, findings) = verify_digests(&changefeed, folder.path()).await;
    let mut expected =
        vec![finding("altered", "large", &version_id(&large[0])), finding("altered", "larger", &version_id(&large[1]))];
    expected.sort();
    assert_eq!(finding_summaries(&findings), expected);
    assert!(findings.iter().all(|finding| finding.message.as_deref().is_some_and(|text| text.contains("parts"))));
}

#[tokio::test]
async fn files_of_digests_that_are_missing_swapped_or_changed_are_named() {
    let sealed = Sealed::new().await;
    let changefeed = &sealed.changefeed;
    let folder = sealed.path().join("digests");
    let files = digest_files(sealed.path());
    let names: Vec<&String> = files.keys().collect();
    let reset = || files.iter().for_each(|(name, bytes)| std::fs::write(folder.join(name), bytes).expect("written"));

    for name in &names {
        std::fs::remove_file(folder.join(name)).expect("removed");
        let message = "the file is missing".to_owned();
        assert_eq!(broken(changefeed, sealed.path()).await, [((*name).clone(), message)], "{name}");
        reset();
    }
    std::fs::write(folder.join(names[1]), &files[names[2]]).expect("written");
    std::fs::write(folder.join(names[2]), &files[names[1]]).expect("written");
    let found: Vec<String> = broken(changefeed, sealed.path()).await.into_iter().map(|(name, _)| name).collect();
    assert_eq!(found, [names[1].clone(), names[2].clone()]);
    reset();

    // Of a file that was written again in another form, only the next one knows; of the last one, the jobs container.
    for name in [names[0], names[3]] {
        let text = String::from_utf8(zstd::decode_all(files[name].as_slice()).expect("zstd")).expect("text");
        let (header, lines) = text.split_once('\n').expect("lines");
        let mut header: Value = serde_json::from_str(header).expect("JSON");
        header["comment"] = json!("added");
        let changed = zstd::encode_all(format!("{header}\n{lines}").as_bytes(), 3).expect("zstd");
        std::fs::write(folder.join(name), changed).expect("written");
        let message = "the file was changed or replaced".to_owned();
        assert_eq!(broken(changefeed, sealed.path()).await, [(name.clone(), message)]);
        reset();
    }
    std::fs::write(folder.join(names[1]), b"not zstd").expect("written");
    let found = broken(changefeed, sealed.path()).await;
    assert!(found.len() == 1 && found[0].0 == *names[1] && found[0].1.contains("damaged"), "{found:?}");
    reset();
    assert_eq!(sealed.findings().await, []);

    // Without its last file, the chain would be continued with what the history has now.
    std::fs::remove_file(folder.join(names[3])).expect("removed");
    let line = CommandLine::new(&sealed.world);
    let (code, text) = line.text(&["digest", "write", "--to", &sealed.path().display().to_string()]).await;
    assert!(code == 1 && text.contains(names[3].as_str()) && text.contains("missing or changed"), "{text}");
    assert_eq!(digest_files(sealed.path()).len(), 3);
}

#[tokio::test]
async fn requests_that_cannot_be_done_are_refused_and_the_api_has_the_same_jobs() {
    let sealed = Sealed::new().await;
    let handler = sealed.world.handler();
    let folder = sealed.path();
    let (status, answer) = handler.post("/api/digests", &json!({ "to": folder })).await;
    let message = answer["error"]["message"].as_str().unwrap_or_default();
    assert!(status == StatusCode::BAD_REQUEST && message.contains("use the URL of blobs"), "{answer}");
    for (path, request, expected) in [
        ("/api/digests", json!({}), "missing field `to`"),
        ("/api/digests", json!({"to": "x", "graceSeconds": 86_401}), "graceSeconds is 86401; allowed are 0 to 86400"),
        ("/api/digests", json!({"to": "x", "ruPerSecond": 1}), "ruPerSecond"),
        ("/api/verify", json!({"digests": "x", "repair": true}), "digests and repair exclude each other"),
        ("/api/verify", json!({"digests": "x", "pk": "a"}), "digests and partitionKey exclude each other"),
        ("/api/verify", json!({"digests": "x", "graceSeconds": 1}), "digests and graceSeconds exclude each other"),
        ("/api/verify", json!({ "digests": folder }), "use the URL of blobs"),
    ] {
        let (status, answer) = handler.post(path, &request).await;
        let message = answer["error"]["message"].as_str().unwrap_or_default();
        assert!(status == StatusCode::BAD_REQUEST && message.contains(expected), "{request}: {answer}");
    }
    let (_, list) = handler.get("/api/digests").await;
    let id = list["items"][0]["id"].as_str().expect("a job");
    assert_eq!(list["items"][0]["counts"]["files"], 4, "{list}");
    assert_eq!(handler.get(&format!("/api/digests/{id}")).await.1["state"], "done");
    let line = CommandLine::new(&sealed.world);
    let empty = tempfile::tempdir().expect("folder");
    let (code, text) = line.text(&["verify", "--digests", &empty.path().display().to_string()]).await;
    assert!(code == 2 && text.contains("has no digests; write them with `changefeed digest write`"), "{code} {text}");
    let (code, text) = line.text(&["digest", "write", "--to", &folder.display().to_string()]).await;
    assert!(code == 0 && text.contains("0 versions and 0 removals in 0 files; complete until"), "{text}");
}

#[tokio::test]
async fn writing_and_comparing_read_each_version_once() {
    let (world, folder) = (World::new().await, tempfile::tempdir().expect("folder"));
    let changefeed = at(&world, 0);
    let ids: Vec<String> = (0..400).map(|number| format!("document-{number}")).collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    write(&world, &changefeed, &ids, "text").await;
    set_clock(&world, LATER);
    let changefeed = world.changefeed(|_| ());
    world.endpoint.take_requests();
    // The queries of the changes container, the items that they returned, and the charge of all requests.
    let measured = || {
        let requests = world.endpoint.take_requests();
        let charge: f64 = requests.iter().map(|request| request.request_charge).sum();
        let of_changes = |request: &&local_cosmos::LoggedRequest| {
            request.container.as_deref() == Some("changes")
                && !matches!(request.kind, LoggedKind::Metadata | LoggedKind::QueryPlan)
        };
        let queries: Vec<_> = requests.iter().filter(of_changes).collect();
        (queries.len(), queries.iter().map(|request| request.items).sum::<usize>(), charge)
    };
    write_digests(&changefeed, folder.path()).await;
    let (queries, items, charge) = measured();
    // Four partitions, pages of 100; and the first version of each partition to find the hour.
    assert!(queries <= 4 * 3 + 8 && (400..=410).contains(&items) && charge < 900.0, "{queries} {items} {charge}");
    let (record, findings) = verify_digests(&changefeed, folder.path()).await;
    assert_eq!((record.counts.versions, findings), (400, Vec::new()));
    let (queries, items, charge) = measured();
    assert!(queries <= 4 * 3 && items == 400 && charge < 900.0, "{queries} {items} {charge}");
}

#[tokio::test]
async fn the_chain_of_a_container_is_not_continued_for_one_that_was_created_again() {
    let sealed = Sealed::new().await;
    let files = digest_files(sealed.path());
    sealed.world.container("changes").await.delete(None).await.expect("deleted");
    let key = PartitionKeyDefinition::new(vec!["/pk".into(), "/sourceId".into()]);
    let database = sealed.world.client.sdk().database_client("dev");
    database.create_container(ContainerProperties::new("changes", key), None).await.expect("created again");

    let changefeed = at(&sealed.world, 4 * HOUR);
    write(&sealed.world, &changefeed, &["1"], "text").await;
    let changefeed = at(&sealed.world, 4 * HOUR + LATER);
    let id = start_digests(&changefeed, sealed.path()).await;
    assert_eq!(finish(&changefeed, &id).await, JobState::Failed);
    let job = changefeed.digests.show(&id).await.expect("a job");
    let message = json!(job).to_string();
    assert!(
        message.contains("the chain is of container changes") && message.contains("use another location"),
        "{message}"
    );
    assert_eq!(digest_files(sealed.path()), files);
    let other = tempfile::tempdir().expect("folder");
    assert_eq!(write_digests(&changefeed, other.path()).await.counts.files, 1);
}
