//! The versions of a document, oldest first, some seconds at a time.

use changefeed_cosmos::{DocumentName, Error, ErrorKind};
use futures::TryStreamExt;
use serde_json::{Map, Value, json};

use crate::history::History;
use crate::read::scope;
use crate::record::read_version;
use crate::version::Version;

/// Bytes of documents after which no further second is read.
const STEP_BYTES: usize = 2 * 1024 * 1024;

/// Some versions of a document, and where the next ones begin.
#[derive(Debug, Default)]
pub struct NextVersions {
    /// In the order of [`Version::compare`].
    pub versions: Vec<Version>,
    /// The records that are damaged: what is wrong with each of them.
    pub damaged: Vec<String>,
    /// The last second that was read, if the document has later versions.
    pub last_second: Option<i64>,
}

fn size(body: &Value) -> usize {
    body.to_string().len()
}

impl History {
    /// The versions of a document after a second since 1970: about `wanted`, and all of each second.
    ///
    /// # Errors
    /// When the changes container cannot be read.
    pub async fn versions_after(
        &self,
        document: &DocumentName,
        second: Option<i64>,
        wanted: usize,
    ) -> Result<NextVersions, Error> {
        let changes = self.changes.open().await?;
        let query = "SELECT * FROM c WHERE c.sourceId = @id AND c.sourceTs > @second ORDER BY c.sourceTs";
        let parameters = Map::from_iter([
            ("@id".to_owned(), json!(document.id)),
            ("@second".to_owned(), json!(second.unwrap_or(i64::MIN))),
        ]);
        let scope = scope(&changes, document);
        let mut records = changes.select_few::<Value>(query, &parameters, scope.as_ref(), wanted + 1).await?;
        let (mut next, mut read, mut bytes, mut last) = (NextVersions::default(), 0, 0, None);
        while let Some(record) = records.try_next().await? {
            let second = record["sourceTs"].as_i64();
            if (read >= wanted || bytes >= STEP_BYTES) && second != last {
                next.last_second = last;
                break;
            }
            (read, last) = (read + 1, second);
            let id = record["id"].as_str().unwrap_or_default().to_owned();
            match read_version(&changes, record).await {
                // The query selects by id only. Documents with the same id can have different keys.
                Ok(version) if version.partition_key == document.partition_key => {
                    // Of a large version, the record has only a part.
                    bytes += [&version.document, &version.previous].into_iter().flatten().map(size).sum::<usize>();
                    next.versions.push(version);
                }
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::Corrupt => next.damaged.push(format!("{id}: {error}")),
                Err(error) => return Err(error),
            }
        }
        next.versions.sort_by(Version::compare);
        Ok(next)
    }
}
