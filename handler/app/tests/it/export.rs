//! `changefeed history export`: versions as JSON lines, CSV and Parquet, equal to what the lists return.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use changefeed_cosmos::FieldPath;
use local_cosmos::{Effect, Fault, RequestKind};
use serde_json::{Value, json};

use crate::read_costs::{FIRST_SECOND, costs, items, store_versions};
use crate::support::backups::delete_event;
use crate::support::jobs::capture;
use crate::support::{CommandLine, DEADLINE, World, executable, signal, until};

/// A second since 1970, before any real clock.
const T: i64 = 1_700_000_000;
/// The columns of a version, as the reference has them.
const COLUMNS: [&str; 18] = [
    "id",
    "pk",
    "sourceId",
    "partitionKey",
    "operation",
    "sourceTs",
    "lsn",
    "etag",
    "actor",
    "expiresAt",
    "capturedAt",
    "capturedBy",
    "exact",
    "inferred",
    "omitted",
    "schema",
    "document",
    "previous",
];

fn write(id: &str, lsn: i64, body: Value) -> Value {
    let mut document =
        json!({"id": id, "pk": "a", "_ts": T + lsn / 2, "_lsn": lsn, "_etag": format!("\"{id}-{lsn}\"")});
    document.as_object_mut().expect("object").extend(body.as_object().expect("object").clone());
    document
}

/// Versions with values that are easy to spoil: large numbers, quotes, ends of lines, formulas, null, and absent fields.
async fn hostile() -> World {
    let world = World::new().await;
    let changefeed = world.changefeed(|_| ());
    let hostile = "=cmd|' /C calc'!A0";
    let mut deleted = delete_event("a", "1", 5);
    deleted["metadata"]["crts"] = json!((T + 2) as f64);
    capture(
        &changefeed,
        &[
            write("1", 1, json!({"city": "Davidson", "n": 9_007_199_254_740_991_i64, "updatedBy": "ann"})),
            write("1", 2, json!({"city": "a \"b\", c\r\nd", "n": -0.1, "none": null, "updatedBy": "=1+1"})),
            write(hostile, 3, json!({"city": hostile, "n": 1e300, "empty": "", "word": "null"})),
            write("2", 4, json!({"city": "Ünï \u{1F600}\t", "address": {"zip code": ["28036", 1], "deep": {}}})),
            deleted,
            write("1", 8, json!({"city": "after the window"})),
        ],
    )
    .await;
    world
}

/// Every version that the lists return, by its id, and the ids in the order of `history changes`.
async fn listed(world: &World, window: &[&str], order: &str) -> (BTreeMap<String, Value>, Vec<String>) {
    let line = CommandLine::new(world);
    let changes = [&["history", "changes", "--order", order], window].concat();
    let (_, changes) = line.json(&changes).await;
    let changes = changes["items"].as_array().expect("items").clone();
    let mut versions = BTreeMap::new();
    for change in &changes {
        let key = change["partitionKey"].to_string();
        let id = change["id"].as_str().expect("id");
        let (_, found) = line.json(&["history", "versions", "--id", id, "--partition-key", &key]).await;
        for version in found["items"].as_array().expect("items") {
            versions.insert(version["id"].as_str().expect("id").to_owned(), version.clone());
        }
    }
    let ids = changes.iter().map(|change| change["versionId"].as_str().expect("id").to_owned()).collect();
    (versions, ids)
}

/// The text of a cell, as the reference specifies it.
fn cell(value: Option<&Value>) -> String {
    match value {
        None => String::new(),
        Some(Value::String(text)) if text.is_empty() || text == "null" => format!("\"{text}\""),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

/// Records as cells by column.
fn records(csv: &[u8]) -> Vec<BTreeMap<String, String>> {
    let mut reader = csv::Reader::from_reader(csv);
    let names: Vec<String> = reader.headers().expect("a header").iter().map(str::to_owned).collect();
    let record = |record: csv::StringRecord| names.iter().cloned().zip(record.iter().map(str::to_owned)).collect();
    reader.records().map(|found| record(found.expect("a record"))).collect()
}

async fn export(world: &World, arguments: &[&str]) -> String {
    let (code, message) = CommandLine::new(world).text(&[&["history", "export"], arguments].concat()).await;
    assert_eq!(code, 0, "{arguments:?}: {message}");
    message
}

#[tokio::test(flavor = "multi_thread")]
async fn a_window_is_exported_as_json_lines_and_csv_as_the_lists_return_it() {
    let world = hostile().await;
    let folder = tempfile::tempdir().expect("folder");
    let (from, to) = (T.to_string(), (T + 3).to_string());
    let window = ["--from", &from, "--to", &to];
    for order in ["newest", "oldest"] {
        let (versions, ids) = listed(&world, &window, order).await;
        assert_eq!(ids.len(), 5, "{ids:?}");
        let expected: Vec<&Value> = ids.iter().map(|id| &versions[id]).collect();
        let path = |name: &str| folder.path().join(format!("{order}.{name}")).display().to_string();
        let message = export(&world, &[&["--order", order, "--file", &path("jsonl")], &window[..]].concat()).await;
        let summary = format!("exported 5 versions to {} for ", path("jsonl"));
        assert!(message.contains(&summary) && message.contains("RU"), "{message}");
        // No processor has a lease.
        assert!(message.contains("warning: the export may lack versions"), "{message}");
        let lines = std::fs::read_to_string(path("jsonl")).expect("a file");
        let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        assert_eq!(lines.iter().collect::<Vec<_>>(), expected, "{order}");

        export(&world, &[&["--order", order, "--file", &path("csv")], &window[..]].concat()).await;
        let csv = std::fs::read(path("csv")).expect("a file");
        assert!(csv.starts_with(format!("{}\r\n", COLUMNS.join(",")).as_bytes()));
        let found = records(&csv);
        assert_eq!(found.len(), expected.len());
        for (record, version) in found.iter().zip(&expected) {
            for column in COLUMNS {
                assert_eq!(record[column], cell(version.get(column)), "{column} of {version}");
            }
            let document: Option<Value> = serde_json::from_str(&record["document"]).ok();
            assert_eq!(document.as_ref(), version.get("document"));
        }
        let to_standard_output = [&["history", "export", "--order", order, "--format", "csv"], &window[..]].concat();
        let printed = CommandLine::new(&world).run(&to_standard_output).await;
        assert_eq!(printed.stdout, csv);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_a_filter_an_operation_and_an_actor_select_what_is_exported() {
    let world = hostile().await;
    let line = CommandLine::new(&world);
    let exported = async |arguments: &[&str]| {
        let output = line.run(&[&["history", "export"], arguments].concat()).await;
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {output:?}");
        let text = String::from_utf8(output.stdout).expect("UTF-8");
        let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
        lines.collect::<Vec<Value>>()
    };
    let (_, versions) = line.json(&["history", "versions", "--id", "1", "--pk", "a"]).await;
    let document = ["--id", "1", "--pk", "a"];
    assert_eq!(Value::from(exported(&document).await), versions["items"]);
    let to = (T + 2).to_string();
    let older = exported(&[&document[..], &["--to", &to, "--from", &T.to_string()]].concat()).await;
    assert_eq!(older.as_slice(), &versions["items"].as_array().expect("items")[1..]);
    let lsns = |items: Vec<Value>| items.iter().map(|item| item["lsn"].as_i64().expect("lsn")).collect::<Vec<_>>();
    for (arguments, expected) in [
        (&["--filter", "city=Davidson"][..], &[1][..]),
        (&["--filter", "n exists", "--order", "oldest"], &[1, 2, 3]),
        (&["--operation", "delete"], &[5]),
        (&["--actor", "ann"], &[1]),
        (&["--filter", "id=1", "--operation", "write", "--id", "1", "--pk", "a"], &[8, 2, 1]),
        (&["--filter", "city=nowhere"], &[]),
        // Of one second, by key and id.
        (&[], &[8, 4, 5, 3, 2, 1]),
    ] {
        assert_eq!(lsns(exported(arguments).await), expected, "{arguments:?}");
    }
    for (arguments, expected) in [
        (&["--id", "1"][..], "--pk"),
        (&["--pk", "a"], "--id"),
        (&["--id", "1", "--pk", "a", "--order", "oldest"], "newest first"),
        (&["--fields", "city"], "use --format csv or parquet"),
        (&["--spreadsheet", "--format", "jsonl"], "--spreadsheet is for --format csv"),
        (&["--format", "xml"], "jsonl, csv, parquet"),
    ] {
        let (code, message) = line.text(&[&["history", "export"], arguments].concat()).await;
        assert!(code == 2 && message.contains(expected), "{arguments:?}: {code} {message}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn chosen_fields_become_columns_in_which_null_and_absent_differ() {
    let world = hostile().await;
    let fields = r#"city,n,none,empty,word,address."zip code",address"#;
    let arguments = ["history", "export", "--format", "csv", "--order", "oldest", "--fields", fields];
    let line = CommandLine::new(&world);
    let found = records(&line.run(&arguments).await.stdout);
    let by_lsn = |lsn: &str| found.iter().find(|record| record["lsn"] == lsn).expect("a record");
    let cells = |lsn: &str, names: &[&str]| {
        names.iter().map(|name| by_lsn(lsn)[&format!("document.{name}")].clone()).collect::<Vec<_>>()
    };
    assert!(!found[0].contains_key("document") && !found[0].contains_key("previous"), "{found:?}");
    assert_eq!(cells("1", &["city", "n", "none"]), ["Davidson", "9007199254740991", ""]);
    assert_eq!(cells("2", &["city", "n", "none"]), ["a \"b\", c\r\nd", "-0.1", "null"]);
    assert_eq!(cells("3", &["city", "empty", "word"]), ["=cmd|' /C calc'!A0", "\"\"", "\"null\""]);
    assert_eq!(
        cells("4", &["address.\"zip code\"", "address"]),
        [r#"["28036",1]"#, r#"{"zip code":["28036",1],"deep":{}}"#]
    );
    assert_eq!(cells("5", &["city"]), [""]);
    let safe = records(&line.run(&[&arguments[..], &["--spreadsheet"]].concat()).await.stdout);
    let safe = |lsn: &str, name: &str| safe.iter().find(|record| record["lsn"] == lsn).expect("a record")[name].clone();
    assert_eq!(safe("3", "document.city"), "'=cmd|' /C calc'!A0");
    assert_eq!(safe("3", "sourceId"), "'=cmd|' /C calc'!A0");
    assert_eq!((safe("2", "actor").as_str(), safe("2", "document.n").as_str()), ("'=1+1", "-0.1"));
}

#[cfg(feature = "parquet")]
#[tokio::test(flavor = "multi_thread")]
async fn parquet_has_typed_columns_and_exact_documents() {
    use parquet::file::reader::{FileReader, SerializedFileReader};
    use parquet::record::Field;

    let world = hostile().await;
    let folder = tempfile::tempdir().expect("folder");
    let rows = |path: &Path| {
        let reader = SerializedFileReader::new(std::fs::File::open(path).expect("a file")).expect("Parquet");
        let rows = reader.get_row_iter(None).expect("rows").map(|row| row.expect("a row"));
        let row = |row: parquet::record::Row| {
            row.get_column_iter().map(|(name, field)| (name.clone(), field.clone())).collect::<BTreeMap<_, _>>()
        };
        rows.map(row).collect::<Vec<_>>()
    };
    let path = folder.path().join("all.parquet");
    export(&world, &["--file", &path.display().to_string()]).await;
    let (versions, ids) = listed(&world, &[], "newest").await;
    let found = rows(&path);
    assert_eq!((found.len(), ids.len()), (6, 6));
    let str_of =
        |value: Option<&Value>| value.map_or(Field::Null, |value| Field::Str(value.as_str().expect("text").to_owned()));
    let json_of = |value: Option<&Value>| value.map_or(Field::Null, |value| Field::Str(value.to_string()));
    for (row, id) in found.iter().zip(&ids) {
        let version = &versions[id];
        assert_eq!(row.keys().cloned().collect::<Vec<_>>(), {
            let mut names = COLUMNS.map(str::to_owned);
            names.sort();
            names
        });
        for name in ["id", "sourceId", "operation", "etag", "actor", "capturedBy", "pk"] {
            assert_eq!(row[name], str_of(version.get(name)), "{name} of {version}");
        }
        for name in ["partitionKey", "omitted", "document", "previous"] {
            assert_eq!(row[name], json_of(version.get(name)), "{name} of {version}");
        }
        let second = version["sourceTs"].as_i64().expect("second");
        assert_eq!(row["sourceTs"], Field::TimestampMicros(second * 1_000_000));
        assert_eq!(row["lsn"], Field::Long(version["lsn"].as_i64().expect("lsn")));
        let captured =
            chrono::DateTime::parse_from_rfc3339(version["capturedAt"].as_str().expect("time")).expect("time");
        assert_eq!(row["capturedAt"], Field::TimestampMicros(captured.timestamp_micros()));
        assert_eq!((&row["exact"], &row["inferred"]), (&Field::Bool(true), &Field::Bool(false)));
        assert_eq!((&row["schema"], &row["expiresAt"]), (&Field::Int(1), &Field::Null));
    }
    let path = folder.path().join("fields.parquet");
    let arguments =
        ["--file", &path.display().to_string(), "--fields", "city,none,address.\"zip code\"", "--order", "oldest"];
    export(&world, &arguments).await;
    let found = rows(&path);
    let text = |text: &str| Field::Str(text.to_owned());
    assert_eq!((&found[1]["document.none"], &found[0]["document.none"]), (&text("null"), &Field::Null));
    assert_eq!(found[4]["document.address.\"zip code\""], text(r#"["28036",1]"#));
    assert!(!found[0].contains_key("document"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_existing_file_is_replaced_only_on_request_and_a_folder_gets_a_file_of_its_format() {
    let world = hostile().await;
    let folder = tempfile::tempdir().expect("folder");
    let names = || {
        let mut names: Vec<String> = std::fs::read_dir(folder.path())
            .expect("folder")
            .map(|entry| entry.expect("entry").file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    };
    let path = folder.path().join("v.jsonl");
    std::fs::write(&path, "mine").expect("a file");
    let to = path.display().to_string();
    let line = CommandLine::new(&world);
    let (code, message) = line.text(&["history", "export", "--file", &to]).await;
    assert!(code == 1 && message.contains("the file already exists; pass --overwrite to replace it"), "{message}");
    assert_eq!((std::fs::read_to_string(&path).expect("a file").as_str(), names().len()), ("mine", 1));
    export(&world, &["--file", &to, "--overwrite"]).await;
    assert_eq!(std::fs::read_to_string(&path).expect("a file").lines().count(), 6);
    export(&world, &["--file", &folder.path().display().to_string(), "--format", "csv"]).await;
    export(&world, &["--file", &format!("{}/new/", folder.path().display())]).await;
    assert!(folder.path().join("new/versions.jsonl").exists());
    assert_eq!(names(), ["new", "v.jsonl", "versions.csv"]);
    // A SAS is not printed, and the token of an identity would not be sent there.
    let (code, message) =
        line.text(&["history", "export", "--file", "https://evil.example.com/c/x.csv?a=c2VjcmV0"]).await;
    assert!(code == 1 && message.contains("CHANGEFEED_BACKUP_STORAGE") && !message.contains("c2VjcmV0"), "{message}");
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_export_leaves_no_file_that_looks_complete() {
    let world = hostile().await;
    let folder = tempfile::tempdir().expect("folder");
    let entries = || {
        let names = std::fs::read_dir(folder.path()).expect("folder");
        names.map(|entry| entry.expect("entry").file_name().to_string_lossy().into_owned()).collect::<Vec<String>>()
    };
    for (name, left) in [("-INT", 0), ("-TERM", 0), ("-KILL", 1)] {
        let slow = Effect::Delay(Duration::from_secs(600));
        world.endpoint.inject(Fault {
            container: Some("changes".into()),
            kind: RequestKind::Query,
            times: 4,
            effect: slow,
        });
        let mut command = executable();
        command.args(["history", "export", "--file"]).arg(folder.path().join("v.jsonl"));
        command.env("CosmosDB", world.endpoint.connection_string()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("changefeed");
        until("the export waits for its first page", DEADLINE, async || {
            let is_reading =
                world.endpoint.take_requests().iter().any(|request| request.container.as_deref() == Some("changes"));
            !entries().is_empty() && is_reading
        })
        .await;
        assert!(entries().iter().all(|name| name.starts_with('.')), "{:?}", entries());
        signal(name, child.id());
        let status = tokio::task::block_in_place(|| child.wait()).expect("ended");
        assert!(!status.success());
        if left == 0 {
            assert_eq!(status.code(), Some(1), "{name}");
            let mut message = String::new();
            std::io::Read::read_to_string(&mut child.stderr.take().expect("stderr"), &mut message).expect("text");
            assert!(message.contains("v.jsonl was not written"), "{message}");
        }
        assert_eq!(entries().len(), left, "{name}: {:?}", entries());
        assert!(!folder.path().join("v.jsonl").exists());
        for name in entries() {
            std::fs::remove_file(folder.path().join(name)).expect("removed");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_reads_each_version_once_and_says_what_the_retention_may_have_deleted() {
    const VERSIONS: usize = 1500;
    const PARTITIONS: usize = 4;
    let world = World::new().await;
    store_versions(&world, "d", VERSIONS as i64, false).await;
    let record = json!({"id": "retention", "kind": "retention", "horizon": T + 5, "sweptTo": T + 5, "lateTo": 0,
        "releasedTo": 0, "removed": 1, "schema": 1});
    world.container("jobs").await.create_item("retention", "retention", &record, None).await.expect("record");
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("v.jsonl").display().to_string();
    for selection in [&["--file", path.as_str()][..], &["--file", &path, "--id", "d", "--pk", "a"]] {
        costs(&world);
        let message =
            export(&world, &[selection, &["--overwrite", "--from", &FIRST_SECOND.to_string()]].concat()).await;
        let costs = costs(&world);
        assert!(message.contains(&format!("exported {VERSIONS} versions")), "{message}");
        let expected = "warning: the retention may have deleted versions from before 2023-11-14T22:13:25Z";
        assert!(message.contains(expected), "{message}");
        let lines = std::fs::read_to_string(&path).expect("a file");
        let ids: std::collections::BTreeSet<&str> = lines.lines().collect();
        assert_eq!(ids.len(), VERSIONS);
        let of_changes: BTreeMap<_, _> =
            costs.into_iter().filter(|((_, container), _)| container == "changes").collect();
        // 100 versions, and then pages of 900; each reads a few rows of the next one.
        assert!(items(&of_changes) <= VERSIONS + 3 * 9 + PARTITIONS, "{selection:?}: {of_changes:?}");
        println!("{selection:?}: {of_changes:?}");
    }
    let field: FieldPath = "document.n".parse().expect("a path");
    let line = std::fs::read_to_string(&path).expect("a file");
    let newest: Value = serde_json::from_str(line.lines().next().expect("a line")).expect("JSON");
    assert_eq!(field.of(&newest), Some(&json!(VERSIONS - 1)));
}
