//! Backups with damaged files.

use std::path::Path;

use changefeed_backup_format::{
    BackupLocation, BackupReader, BackupWriter, Damage, Digest, ReadError, SegmentKind, SegmentName, SegmentReader,
    SegmentRecord, SegmentWriter, verify, verify_segment,
};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::support::{create, deletion, document, folder, header, incremental, read, time, write};

const PART: &str = "part-00000.ndjson.zst";

fn part(number: usize) -> SegmentName {
    SegmentName::numbered(number).expect("name")
}

async fn damages(location: &BackupLocation) -> Vec<Damage> {
    verify(location).await.expect("verified").damages
}

/// Whether reading fails because of damage.
async fn reading_stops(location: &BackupLocation) -> bool {
    matches!(read(location).await, Err(ReadError::Damage(_)))
}

/// A small backup with a segment of each kind.
async fn small(location: &BackupLocation) {
    let (_base, base) = folder();
    write(&base, header("base"), 0..3).await;
    let earlier = BackupReader::open(base).await.expect("open");
    let mut writer = create(location, incremental("small", (earlier.manifest(), earlier.digest()))).await;
    writer.push(&document(1)).await.expect("pushed");
    writer.push(&document(2)).await.expect("pushed");
    writer.push_deletion(&deletion(0)).await.expect("pushed");
    writer.finish(serde_json::Value::Null, time(5)).await.expect("finished");
}

fn files(folder: &Path) -> Vec<(std::path::PathBuf, Vec<u8>)> {
    let entries = std::fs::read_dir(folder).expect("folder").map(|entry| entry.expect("entry").path());
    entries.map(|path| (path.clone(), std::fs::read(path).expect("read"))).collect()
}

#[tokio::test]
async fn a_flipped_bit_in_any_byte_is_found() {
    let (folder, location) = folder();
    small(&location).await;
    let mut random = ChaCha8Rng::seed_from_u64(1);
    let files = files(folder.path());
    assert_eq!(files.len(), 3);
    for (path, bytes) in files {
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1 << random.random_range(0..8);
            std::fs::write(&path, &changed).expect("written");
            assert!(!damages(&location).await.is_empty(), "byte {at} of {}", path.display());
            assert!(reading_stops(&location).await, "byte {at} of {}", path.display());
        }
        std::fs::write(&path, &bytes).expect("written");
    }
    assert!(damages(&location).await.is_empty());
}

#[tokio::test]
async fn a_truncated_or_extended_file_is_found() {
    let (folder, location) = folder();
    small(&location).await;
    for (path, bytes) in files(folder.path()) {
        for at in 0..bytes.len() {
            std::fs::write(&path, &bytes[..at]).expect("written");
            assert!(!damages(&location).await.is_empty(), "{} cut at {at}", path.display());
            assert!(reading_stops(&location).await);
        }
        for more in [&b"\n"[..], b"\0", &bytes] {
            std::fs::write(&path, [&bytes, more].concat()).expect("written");
            assert!(!damages(&location).await.is_empty(), "{} grown", path.display());
        }
        std::fs::write(&path, &bytes).expect("written");
    }
}

#[tokio::test]
async fn random_damage_in_many_files_is_found_and_named() {
    let (folder, location) = folder();
    write(&location, header("b"), 0..300).await;
    let originals = files(folder.path());
    for seed in 0..60 {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let mut damaged = Vec::new();
        for (path, bytes) in &originals {
            if path.ends_with("manifest.json") || random.random_bool(0.4) {
                continue;
            }
            let mut changed = bytes.clone();
            let at = random.random_range(0..changed.len());
            match random.random_range(0..4) {
                0 => changed.truncate(at),
                1 => changed[at] = !changed[at],
                2 => changed.insert(at, random.random()),
                _ => changed[at..].fill(0),
            }
            if &changed != bytes {
                std::fs::write(path, changed).expect("written");
                damaged.push(path.file_name().expect("name").to_string_lossy().into_owned());
            }
        }
        let found = damages(&location).await;
        for name in &damaged {
            assert!(found.iter().any(|damage| damage.to_string().contains(name)), "seed {seed}: {name} in {found:?}");
        }
        assert_eq!(found.is_empty(), damaged.is_empty());
        originals.iter().for_each(|(path, bytes)| std::fs::write(path, bytes).expect("written"));
    }
}

#[tokio::test]
async fn all_damages_are_found_at_once() {
    let (folder, location) = folder();
    write(&location, header("b"), 0..400).await;
    let path = |number: usize| folder.path().join(part(number).to_string());
    std::fs::remove_file(path(0)).expect("removed");
    let mut cut = std::fs::read(path(1)).expect("read");
    let stated = cut.len() as u64;
    cut.truncate(50);
    std::fs::write(path(1), &cut).expect("written");
    std::fs::write(path(7), "x").expect("written");
    std::fs::write(folder.path().join("notes.txt"), "x").expect("written");
    let verification = verify(&location).await.expect("verified");
    for expected in [
        Damage::Missing { segment: part(0) },
        Damage::TooShort { segment: part(1), stated, found: 50 },
        Damage::Unlisted { segment: part(7) },
        Damage::Foreign { name: "notes.txt".into() },
    ] {
        assert!(verification.damages.contains(&expected), "{expected:?} in {:?}", verification.damages);
    }
    assert!(verification.documents >= 200, "the sound segments are still read");
}

#[tokio::test]
async fn missing_unfinished_and_unreadable_backups_are_distinguished() {
    let (empty, location) = folder();
    assert_eq!(damages(&location).await, [Damage::NoManifest]);
    assert_eq!(damages(&BackupLocation::folder(empty.path().join("none"))).await, [Damage::NoManifest]);
    let mut writer = create(&location, header("b")).await;
    writer.push(&document(0)).await.expect("pushed");
    writer.suspend(serde_json::Value::Null).await.expect("suspended");
    assert_eq!(damages(&location).await, [Damage::Unfinished { segments: 1 }]);
    drop(writer);
    let manifest = |text: &[u8]| std::fs::write(empty.path().join("manifest.json"), text).expect("written");
    manifest(b"");
    assert!(matches!(damages(&location).await[..], [Damage::ManifestNotJson { .. }]));
    manifest(b"{\"format\": 3, \"anything\": {}}");
    assert_eq!(damages(&location).await, [Damage::NewerFormat { found: 3, known: 2 }]);
    manifest(&vec![b' '; 50 * 1024 * 1024]);
    assert!(matches!(damages(&location).await[..], [Damage::ManifestTooLarge { .. }]));
    assert!(BackupWriter::resume(location).await.is_err());
}

#[cfg(unix)]
#[tokio::test]
async fn symbolic_links_are_not_followed() {
    let (elsewhere, other) = folder();
    write(&other, header("b"), 0..3).await;
    let (folder, location) = folder();
    write(&location, header("b"), 0..3).await;
    for name in [PART, "manifest.json"] {
        let path = folder.path().join(name);
        std::fs::remove_file(&path).expect("removed");
        std::os::unix::fs::symlink(elsewhere.path().join(name), &path).expect("link");
        let found = damages(&location).await;
        assert!(found.contains(&Damage::NotAFile { name: name.into() }), "{found:?}");
        assert!(read(&location).await.is_err());
    }
    std::os::unix::fs::symlink("/etc/passwd", folder.path().join("link")).expect("link");
    assert!(damages(&location).await.contains(&Damage::Foreign { name: "link".into() }));
}

/// A segment whose record matches its file, as a faulty or hostile writer would create it.
fn forged(file: Vec<u8>, bytes: u64, count: u64) -> (SegmentRecord, Vec<u8>) {
    let (name, kind) = (part(0), SegmentKind::Documents);
    let record =
        SegmentRecord { name, kind, compressed_bytes: file.len() as u64, bytes, count, sha256: Digest::of(&file) };
    (record, file)
}

fn packed(text: &[u8]) -> Vec<u8> {
    zstd::bulk::compress(text, 3).expect("packed")
}

async fn found((record, file): (SegmentRecord, Vec<u8>)) -> Vec<Damage> {
    let (folder, location) = folder();
    std::fs::write(folder.path().join(PART), file).expect("written");
    verify_segment(&location, record).await.expect("verified").damages
}

fn line_of(id: &str) -> String {
    format!("{{\"id\":\"{id}\",\"_ts\":1,\"_etag\":\"e\"}}\n")
}

#[tokio::test]
async fn every_damaged_line_is_named_and_the_others_are_read() {
    let good = line_of("1");
    let lines: [&[u8]; 7] =
        [good.as_bytes(), b"\xff\xfe\n", b"{\"id\":\n", good.as_bytes(), b"\n", b"[1]\n", b"{\"id\":\"1\"}\n"];
    let text = lines.concat();
    let (record, file) = forged(packed(&text), text.len() as u64, 7);
    let mut reader = SegmentReader::new(record, file.into()).expect("reader");
    let (mut documents, mut found) = (0, Vec::new());
    loop {
        match reader.next() {
            Ok(Some(_)) => documents += 1,
            Ok(None) => break,
            Err(Damage::Line { line, offset, message, .. }) => found.push((line, offset, message)),
            Err(other) => panic!("{other}"),
        }
    }
    assert_eq!(documents, 2);
    let length = good.len() as u64;
    let positions: Vec<(u64, u64)> = found.iter().map(|(line, offset, _)| (*line, *offset)).collect();
    assert_eq!(
        positions,
        [(2, length), (3, length + 3), (5, 2 * length + 10), (6, 2 * length + 11), (7, 2 * length + 15)]
    );
    for (expected, (_, _, message)) in ["UTF-8", "JSON", "JSON", "object", "_ts"].iter().zip(&found) {
        assert!(message.contains(expected), "{message}");
    }
}

#[tokio::test]
async fn wrong_counts_are_named() {
    let text = line_of("1").repeat(3);
    let length = text.len() as u64;
    let file = || packed(text.as_bytes());
    assert_eq!(found(forged(file(), length, 3)).await, []);
    assert_eq!(found(forged(file(), length, 4)).await, [Damage::WrongCount { segment: part(0), stated: 4, found: 3 }]);
    assert_eq!(
        found(forged(file(), length + 5, 3)).await,
        [Damage::UnpacksToLess { segment: part(0), stated: length + 5, found: length }]
    );
    let more = found(forged(file(), length - 1, 3)).await;
    assert_eq!(more, [Damage::UnpacksToMore { segment: part(0), stated: length - 1 }]);
    let unended = &text[..text.len() - 1];
    let damages = found(forged(packed(unended.as_bytes()), length - 1, 3)).await;
    assert!(damages[0].to_string().contains("line 3") && damages[0].to_string().contains("no end"), "{damages:?}");
    let two = found(forged([file(), file()].concat(), 2 * length, 6)).await;
    assert!(two[0].to_string().contains("more bytes after its end"), "{two:?}");
}

#[tokio::test]
async fn decompression_bombs_are_stopped() {
    // 4 GB of one line compress to 130 kB; 300 MB are enough for the test.
    let zeros = packed(&vec![b'x'; 300_000_000]);
    let stated = forged(zeros.clone(), 1000, 1);
    assert_eq!(found(stated).await, [Damage::UnpacksToMore { segment: part(0), stated: 1000 }]);
    let line = found(forged(zeros, 300_000_000, 1)).await;
    assert!(matches!(&line[..], [Damage::Line { line: 1, offset: 0, .. }]), "{line:?}");
    let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 1).expect("encoder");
    encoder.set_parameter(zstd::stream::raw::CParameter::WindowLog(27)).expect("window");
    std::io::Write::write_all(&mut encoder, line_of("1").as_bytes()).expect("packed");
    let wide = found(forged(encoder.finish().expect("packed"), 100, 1)).await;
    assert!(matches!(&wide[..], [Damage::NotZstd { offset: 0, .. }]), "{wide:?}");
    for nothing in [&b""[..], b"no zstd at all", b"\x28\xb5\x2f\xfd"] {
        let damages = found(forged(nothing.to_vec(), 10, 1)).await;
        assert!(matches!(&damages[..], [Damage::NotZstd { .. }]), "{damages:?}");
    }
}

#[tokio::test]
async fn no_file_causes_a_panic() {
    let mut writer = SegmentWriter::new(SegmentKind::Documents).expect("writer");
    for number in 0..50 {
        writer.push(line_of(&number.to_string()).trim_end().as_bytes()).expect("pushed");
    }
    let (record, file) = writer.finish(part(0)).expect("segment");
    for seed in 0..500 {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let mut changed = file.to_vec();
        for _ in 0..random.random_range(1..8) {
            let at = random.random_range(0..changed.len());
            changed[at] = random.random();
        }
        let record = SegmentRecord { sha256: Digest::of(&changed), ..record.clone() };
        let mut reader = SegmentReader::new(record, changed.into()).expect("reader");
        while !matches!(reader.next(), Ok(None)) {}
    }
}
