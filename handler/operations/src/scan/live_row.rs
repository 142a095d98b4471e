//! A live document as a query lists it: its name and its version.

use changefeed_cosmos::{DocumentName, Error, KeyPath, read_id_and_key, select_id_and_key};
use changefeed_history::VersionId;
use serde_json::Value;

/// A live document that a page names.
pub(crate) struct LiveRow {
    pub name: DocumentName,
    /// The id of its version.
    pub version: VersionId,
    /// Its time in seconds since 1970.
    pub ts: i64,
}

/// The `SELECT` clause of a query for [`LiveRow`].
pub(crate) fn select_live(paths: &[KeyPath]) -> String {
    format!("SELECT VALUE {{at: {}, ts: c._ts, etag: c._etag}}", select_id_and_key(paths))
}

impl LiveRow {
    /// Reads what [`select_live`] selected.
    ///
    /// # Errors
    /// [`Corrupt`](changefeed_cosmos::ErrorKind::Corrupt) with what was selected instead.
    pub(crate) fn read(row: &Value, paths: &[KeyPath]) -> Result<Self, Error> {
        let name = read_id_and_key(&row["at"], paths)?;
        let (Some(ts), Some(etag)) = (row["ts"].as_i64(), row["etag"].as_str()) else {
            return Err(Error::corrupt("listing documents", format!("no _ts or _etag: the query returned {row}")));
        };
        Ok(Self { name, version: VersionId::of_write(ts, etag), ts })
    }
}
