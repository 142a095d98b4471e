//! A file of digests: a compressed text whose first line describes the lines after it.

use std::fmt;
use std::io::{self, Read};

use chrono::{DateTime, NaiveDateTime};
use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::error::{Error, ErrorKind};
use crate::limits::{MAX_SEGMENT_BYTES, MAX_UNPACKED_SEGMENT_BYTES, MAX_WINDOW_LOG};
use crate::location::{BackupLocation, EntryKind};

/// The format that is written and read.
const FORMAT: u32 = 1;
const LEVEL: i32 = 3;
const EXTENSION: &str = ".ndjson.zst";
/// The start of the period of a file, in its name. It has no colon, which some file systems do not allow.
const NAME_TIME: &str = "%Y-%m-%dT%H-%M-%SZ";

/// The digest of a version.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct VersionDigest {
    /// When the version was stored, in seconds since 1970.
    pub second: i64,
    /// A name of the version that says nothing about its document.
    pub id: String,
    /// The digest of its content.
    pub sha256: Digest,
}

/// A version that was removed by this program.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RemovedVersion {
    /// The name of the version.
    pub removed: String,
    /// When the removal was recorded, in seconds since 1970.
    pub second: i64,
    /// Why it was removed.
    pub cause: String,
}

/// A file of a chain and the digest of its text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ChainLink {
    /// The name of the file.
    pub name: String,
    /// The digest of its text.
    pub sha256: Digest,
}

/// The container of a history. One that is created again under the same name is another one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HistoryContainer {
    /// The host name of the account.
    pub account: String,
    /// The database.
    pub database: String,
    /// The container of the versions.
    pub container: String,
    /// Its resource id.
    pub resource_id: String,
}

impl fmt::Display for HistoryContainer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { account, database, container, resource_id } = self;
        write!(formatter, "container {container} ({resource_id}) of database {database}, {account}")
    }
}

/// A file of digests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DigestFile {
    /// The history; `None` in a file that says nothing of it.
    pub history: Option<HistoryContainer>,
    /// The start of its period, in seconds since 1970.
    pub from: i64,
    /// The end of its period, which is not part of it.
    pub to: i64,
    /// The file before it; `None` for the first one.
    pub previous: Option<ChainLink>,
    /// The versions that were stored in the period, sorted.
    pub versions: Vec<VersionDigest>,
    /// The versions that were removed in the period, sorted.
    pub removals: Vec<RemovedVersion>,
}

/// The first line.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Header {
    format: u32,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    history: Option<HistoryContainer>,
    from: i64,
    to: i64,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    previous: Option<ChainLink>,
    versions: usize,
    removals: usize,
    /// The digest of the text after this line.
    sha256: Digest,
}

impl DigestFile {
    /// The text of the file. The same content has the same text.
    fn text(&self) -> io::Result<String> {
        let mut lines = String::new();
        let mut add = |line: serde_json::Result<String>| {
            lines.push_str(&line?);
            lines.push('\n');
            io::Result::Ok(())
        };
        self.versions.iter().try_for_each(|version| add(serde_json::to_string(version)))?;
        self.removals.iter().try_for_each(|removal| add(serde_json::to_string(removal)))?;
        let header = Header {
            format: FORMAT,
            history: self.history.clone(),
            from: self.from,
            to: self.to,
            previous: self.previous.clone(),
            versions: self.versions.len(),
            removals: self.removals.len(),
            sha256: Digest::of(lines.as_bytes()),
        };
        Ok(format!("{}\n{lines}", serde_json::to_string(&header)?))
    }

    /// Reads the text of a file.
    fn parse(text: &str) -> Result<Self, String> {
        let (header, lines) = text.split_once('\n').ok_or("it has no lines")?;
        let header: Header = serde_json::from_str(header).map_err(|error| format!("its first line: {error}"))?;
        if header.format != FORMAT {
            return Err(format!("it has the format {}; this version reads format {FORMAT}", header.format));
        }
        if Digest::of(lines.as_bytes()) != header.sha256 {
            return Err("its lines are not those that its first line describes".to_owned());
        }
        let mut lines = lines.lines();
        let versions = lines.by_ref().take(header.versions).map(serde_json::from_str).collect::<Result<Vec<_>, _>>();
        let removals = lines.map(serde_json::from_str).collect::<Result<Vec<_>, _>>();
        let file = Self {
            history: header.history,
            from: header.from,
            to: header.to,
            previous: header.previous,
            versions: versions.map_err(|error| format!("a line: {error}"))?,
            removals: removals.map_err(|error| format!("a line: {error}"))?,
        };
        if (file.versions.len(), file.removals.len()) != (header.versions, header.removals) {
            return Err("it does not have as many lines as its first line says".to_owned());
        }
        Ok(file)
    }
}

/// The name of the file whose period starts at this second since 1970.
pub fn digest_file_name(from: i64) -> String {
    let time = DateTime::from_timestamp_secs(from).unwrap_or_default();
    format!("{}{EXTENSION}", time.format(NAME_TIME))
}

/// The start of the period of the file with this name; `None` for the name of another file.
pub(super) fn start_in_name(name: &str) -> Option<i64> {
    let time = NaiveDateTime::parse_from_str(name.strip_suffix(EXTENSION)?, NAME_TIME).ok()?;
    Some(time.and_utc().timestamp())
}

/// The names of the files of a chain, by their time. Other files are not among them.
///
/// # Errors
/// When the location cannot be read.
pub async fn digest_file_names(location: &BackupLocation) -> Result<Vec<String>, Error> {
    let files = location.list().await?.into_iter().filter(|entry| entry.kind == EntryKind::File);
    let mut names: Vec<(i64, String)> =
        files.filter_map(|file| Some((start_in_name(&file.name)?, file.name))).collect();
    names.sort();
    Ok(names.into_iter().map(|(_, name)| name).collect())
}

/// Reads a file with the digest of its text, or what is wrong with it; `None` if there is no such file.
///
/// # Errors
/// When the location cannot be read.
pub async fn read_digest_file(
    location: &BackupLocation,
    name: &str,
) -> Result<Option<Result<(DigestFile, Digest), String>>, Error> {
    let bytes = match location.read(name, MAX_SEGMENT_BYTES).await {
        Ok((bytes, _)) => bytes,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) if error.kind() == ErrorKind::TooLarge => return Ok(Some(Err(error.message().to_owned()))),
        Err(error) => return Err(error),
    };
    Ok(Some(unpack(&bytes).map_err(|error| error.to_string()).and_then(|text| {
        let digest = Digest::of(text.as_bytes());
        Ok((DigestFile::parse(&text)?, digest))
    })))
}

/// Creates a file under the name that follows from the start of its period. `None` if there is a file of that name.
///
/// # Errors
/// When the location cannot be written.
pub async fn create_digest_file(location: &BackupLocation, file: &DigestFile) -> Result<Option<ChainLink>, Error> {
    let name = digest_file_name(file.from);
    let failed = |error: io::Error| Error::new(ErrorKind::Internal, format!("writing {name}"), error.to_string());
    let text = file.text().map_err(failed)?;
    let packed = zstd::bulk::compress(text.as_bytes(), LEVEL).map_err(failed)?;
    match location.create(&name, packed.into()).await {
        Ok(_) => Ok(Some(ChainLink { name, sha256: Digest::of(text.as_bytes()) })),
        Err(error) if error.kind() == ErrorKind::Conflict => Ok(None),
        Err(error) => Err(error),
    }
}

/// The text of a file, with bounded memory whatever the file holds.
fn unpack(bytes: &[u8]) -> io::Result<String> {
    let mut decoder = zstd::stream::read::Decoder::new(bytes)?;
    decoder.window_log_max(MAX_WINDOW_LOG)?;
    let mut text = String::new();
    decoder.take(MAX_UNPACKED_SEGMENT_BYTES).read_to_string(&mut text)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn file(versions: usize, removals: usize) -> DigestFile {
        let version =
            |n: usize| VersionDigest { second: 7200 + n as i64, id: format!("v{n}"), sha256: Digest::of(&[n as u8]) };
        let removal =
            |n: usize| RemovedVersion { removed: format!("r{n}"), second: 7300, cause: "retention".to_owned() };
        let history = HistoryContainer {
            account: "account.documents.azure.com".to_owned(),
            database: "shop".to_owned(),
            container: "changes".to_owned(),
            resource_id: "AbC=".to_owned(),
        };
        DigestFile {
            history: Some(history).filter(|_| versions > 0),
            from: 7200,
            to: 10_800,
            previous: Some(ChainLink { name: digest_file_name(3600), sha256: Digest::of(b"before") }),
            versions: (0..versions).map(version).collect(),
            removals: (0..removals).map(removal).collect(),
        }
    }

    #[test]
    fn a_name_has_the_start_of_the_period() {
        assert_eq!(digest_file_name(1_795_939_200), "2026-11-29T08-00-00Z.ndjson.zst");
        assert_eq!(start_in_name("2026-11-29T08-00-00Z.ndjson.zst"), Some(1_795_939_200));
        assert_eq!(start_in_name(&digest_file_name(0)), Some(0));
        for other in ["manifest.json", "2026-11-29T08-00-00Z.ndjson", ".2026-11-29T08-00-00Z.ndjson.zst.1.tmp", ""] {
            assert_eq!(start_in_name(other), None, "{other}");
        }
    }

    proptest! {
        #[test]
        fn a_file_is_read_back_and_every_changed_byte_is_noticed(versions in 0usize..5, removals in 0usize..5, at in any::<prop::sample::Index>(), to in any::<u8>()) {
            let file = file(versions, removals);
            let text = file.text().expect("text");
            prop_assert_eq!(DigestFile::parse(&text), Ok(file.clone()));
            let mut bytes = text.clone().into_bytes();
            let at = at.index(bytes.len());
            prop_assume!(bytes[at] != to);
            bytes[at] = to;
            // Another header can be valid, but it has another digest, which the next file has.
            let changed = String::from_utf8_lossy(&bytes).into_owned();
            let is_header = at < text.find('\n').expect("lines");
            prop_assert!(is_header || DigestFile::parse(&changed).is_err());
        }
    }
}
