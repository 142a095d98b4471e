//! Files of other tools.

use std::io::Write;

use changefeed_backup_format::{BackupLocation, JsonDocument, JsonFilesError, JsonFilesReader};
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

use crate::support::folder;

async fn read(location: BackupLocation) -> Result<Vec<JsonDocument>, JsonFilesError> {
    let mut reader = JsonFilesReader::open(location).await?;
    let mut documents = Vec::new();
    while let Some(document) = reader.next().await? {
        documents.push(document);
    }
    Ok(documents)
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text).expect("packed");
    encoder.finish().expect("packed")
}

#[tokio::test]
async fn the_files_of_a_folder_are_read_in_the_order_of_their_names() {
    let (folder, location) = folder();
    let write = |name: &str, bytes: &[u8]| std::fs::write(folder.path().join(name), bytes).expect("written");
    write("a.json", b"[\n {\"id\": \"1\"},\n {\"id\": \"2\"}\n]\n");
    write("b.ndjson.gz", &gzip(b"{\"id\": \"3\"}\r\n\r\n{\"id\": \"4\"}\r\n"));
    write("c.JSONL.zst", &zstd::bulk::compress(b"\xef\xbb\xbf{\"id\": \"5\"}", 3).expect("packed"));
    write("d.json", b"");
    write("readme.txt", b"not a document");
    write(".hidden.json", b"not a document");
    let documents = read(location).await.expect("read");
    let positions: Vec<(&str, u64, u64)> =
        documents.iter().map(|document| (document.file.as_str(), document.line, document.offset)).collect();
    assert_eq!(
        positions,
        [("a.json", 2, 3), ("a.json", 3, 17), ("b.ndjson.gz", 1, 0), ("b.ndjson.gz", 3, 15), ("c.JSONL.zst", 1, 3)]
    );
    let ids: Vec<&Value> = documents.iter().map(|document| &document.document["id"]).collect();
    assert_eq!(json!(ids), json!(["1", "2", "3", "4", "5"]));
}

#[tokio::test]
async fn a_single_file_may_have_any_name() {
    let (folder, _) = folder();
    let path = folder.path().join("export");
    std::fs::write(&path, "{\"id\": \"1\"}").expect("written");
    assert_eq!(read(BackupLocation::folder(&path)).await.expect("read").len(), 1);
}

#[tokio::test]
async fn a_large_file_is_read() {
    let (folder, _) = folder();
    let path = folder.path().join("large.json");
    let documents: Vec<String> =
        (0..20_000).map(|number| json!({"id": number.to_string(), "x": "y".repeat(100)}).to_string()).collect();
    std::fs::write(&path, format!("[{}]", documents.join(",\n"))).expect("written");
    let read = read(BackupLocation::folder(&path)).await.expect("read");
    assert_eq!((read.len(), read[19_999].line), (20_000, 20_000));
}

#[tokio::test]
async fn reading_resumes_after_any_document_in_every_form() {
    let (folder, location) = folder();
    let texts: Vec<String> = (0..30).map(|n| json!({"id": n.to_string(), "x": "[}\n".repeat(n)}).to_string()).collect();
    let (array, lines) = (format!("\u{feff}[\n{}\n]\n", texts.join(",\n")), texts.join("\n\n"));
    let zstd = |text: &str| zstd::bulk::compress(text.as_bytes(), 3).expect("packed");
    let forms: [(&str, Vec<u8>); 5] = [
        ("array", array.clone().into()),
        ("lines", lines.clone().into()),
        ("array.gz", gzip(array.as_bytes())),
        ("lines.gz", [gzip(&lines.as_bytes()[..500]), gzip(&lines.as_bytes()[500..])].concat()),
        ("lines.zst", [zstd(&lines[..500]), zstd(&lines[500..])].concat()),
    ];
    for (name, bytes) in forms {
        std::fs::write(folder.path().join(name), bytes).expect("written");
        let whole = read(location.child(name).expect("location")).await.expect("read");
        assert_eq!(whole.len(), texts.len(), "{name}");
        let mut reader = JsonFilesReader::open(location.child(name).expect("location")).await.expect("open");
        assert!(reader.resume_point().is_none());
        for read in 1..=whole.len() {
            assert_eq!(reader.next().await.expect("read").as_ref(), whole.get(read - 1), "{name}");
            let point = serde_json::to_string(&reader.resume_point().expect("a resume point")).expect("text");
            let point = serde_json::from_str(&point).expect("a resume point");
            let mut rest = JsonFilesReader::resume(location.clone(), name.to_owned(), &point).await.expect("resumed");
            for expected in &whole[read..] {
                assert_eq!(rest.next().await.expect("read").as_ref(), Some(expected), "{name} after {read}");
            }
            assert_eq!(rest.next().await.expect("the end"), None, "{name} after {read}");
        }
    }
}

#[tokio::test]
async fn reading_does_not_resume_in_a_changed_file() {
    let (folder, location) = folder();
    let write = |text: &str| std::fs::write(folder.path().join("a.json"), text).expect("written");
    write("[{\"id\": \"1\"}, {\"id\": \"2\"}]");
    let mut reader = JsonFilesReader::open(location.clone()).await.expect("open");
    reader.next().await.expect("read");
    let point = reader.resume_point().expect("a resume point");
    for (text, expected) in
        [("[{\"id\": \"1\"}, {\"id\": \"23\"}]", "the file was changed"), ("[]", "the file ends before byte")]
    {
        write(text);
        let resumed = JsonFilesReader::resume(location.clone(), "a.json".to_owned(), &point).await;
        let error = resumed.err().expect("refused").to_string();
        assert!(error.contains(expected) && error.contains("a.json"), "{error}");
    }
}

#[tokio::test]
async fn an_unreadable_file_is_reported_with_the_position_and_the_next_file_is_read() {
    let (folder, location) = folder();
    let write = |name: &str, bytes: &[u8]| std::fs::write(folder.path().join(name), bytes).expect("written");
    write("a.ndjson", b"{\"id\": \"1\"}\n{\"id\": oops}\n{\"id\": \"2\"}\n");
    write("b.json", b"[{\"id\": \"3\"}, 7]");
    let packed = gzip(b"{\"id\": \"4\"}\n");
    write("c.json.gz", &packed[..packed.len() - 3]);
    write("d.json", b"{\"id\": \"\xff\"}");
    write("e.json", b"{\"id\": \"5\"}");
    let mut reader = JsonFilesReader::open(location).await.expect("open");
    let mut results = Vec::new();
    loop {
        match reader.next().await {
            Ok(None) => break,
            Ok(Some(document)) => results.push(document.document["id"].as_str().expect("id").to_owned()),
            Err(error) => results.push(error.to_string()),
        }
    }
    let expected = [
        "1",
        "a.ndjson, line 2 (byte 12): not JSON",
        "3",
        "b.json, line 1 (byte 14): found '7'",
        "4",
        "c.json.gz",
        "d.json, line 1",
        "5",
    ];
    assert_eq!(results.len(), expected.len(), "{results:?}");
    for (found, expected) in results.iter().zip(expected) {
        assert!(found.starts_with(expected), "{found}");
    }
}

#[tokio::test]
async fn a_location_without_json_files_is_an_error() {
    let (folder, location) = folder();
    std::fs::write(folder.path().join("readme.txt"), "x").expect("written");
    for location in [location, BackupLocation::folder(folder.path().join("none"))] {
        let error = read(location).await.expect_err("nothing");
        assert!(matches!(error, JsonFilesError::NoFiles { .. }) && error.to_string().contains(".ndjson"), "{error}");
    }
}
